import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { AGENT_HELP, AGENT_OPTIONS, agentOf } from "../agent-options.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { HeldSessions } from "../held-sessions.ts";
import { MCP_HOSTS, type McpHost } from "../mcp-hosts.ts";
import { mcpTools } from "../mcp-tools.ts";
import { HostWaiting } from "../mcp-waiting.ts";
import { plainText } from "../plain-text.ts";
import { Signals } from "../run-program.ts";

const MAIN = resolve(import.meta.dirname, "..", "main.ts");

export const mcpCommand: Command = {
  summary: "serve Stint's tools to an MCP host on this machine",
  help: `Usage: stint mcp [options]
       stint mcp --print-config [HOST] [options]

Serves the tools request_session, session_state, call_upstream and end_session over standard input and
output. The key and every token stay in this process; the host sees neither. When the host goes, every
session that it asked for ends, and what nobody decided is taken back.

  --print-config      print the configuration of HOST; without HOST, list the hosts
${AGENT_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...AGENT_OPTIONS, "print-config": { type: "boolean" } },
    });
    const [name] = positionals;
    if (values["print-config"] === true && name === undefined) return listHosts();
    if (values["print-config"] === true) {
      const host = hostOf(name ?? "");
      const client = await agentOf(values);
      const key = values.key ?? process.env["STINT_KEY_FILE"] ?? "";
      return printConfig(host, {
        STINT_URL: client.issuer,
        STINT_CLIENT_ID: client.clientId,
        STINT_KEY_FILE: resolve(key),
      });
    }
    if (name !== undefined) throw new CliError(`"${name}" is not expected here; stint mcp --help tells more`, 2);
    const client = await agentOf(values);
    if (process.stdin.isTTY)
      process.stderr.write(
        "stint mcp waits for an MCP host on standard input; stint mcp --print-config lists the hosts\n",
      );
    const sessions = new HeldSessions(client);
    const signals = new Signals();
    // A host that dies without a word leaves a closed pipe behind.
    const gone = new Promise<void>((done) => {
      process.stdin
        .once("end", done)
        .once("close", done)
        // The transport reads no further, for instance after a line that is longer than any message.
        .once("pause", done)
        .once("error", () => done());
      process.stdout.once("error", () => done());
      signals.onSignal = () => done();
    });
    const waiting = new HostWaiting(sessions, client.issuer);
    const server = serveStdio(({ era }) => mcpTools(sessions, waiting, era), {
      onerror: ({ message }) => void process.stderr.write(plainText(`stint mcp: ${message}\n`)),
    });
    await gone;
    await sessions.close();
    await server.close();
    signals.close();
    return 0;
  },
};

function listHosts(): number {
  for (const [name, { title }] of Object.entries(MCP_HOSTS)) process.stdout.write(`${name.padEnd(16)}${title}\n`);
  return 0;
}

function hostOf(name: string): McpHost {
  const host = Object.hasOwn(MCP_HOSTS, name) ? MCP_HOSTS[name] : undefined;
  if (host === undefined)
    throw new CliError(`there is no host "${name}"; it is one of ${Object.keys(MCP_HOSTS).join(", ")}`, 2);
  return host;
}

function printConfig(host: McpHost, env: Record<string, string>): number {
  process.stderr.write(`For ${host.title}, in ${host.file}:\n`);
  process.stdout.write(host.config({ command: process.execPath, args: [MAIN, "mcp"], env }));
  return 0;
}
