import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface UpstreamRow {
  readonly id: string;
  readonly connector: string;
  readonly credential: "per_session" | "shared";
  readonly ends: "revocable" | "expires" | "irrevocable";
}

interface ConnectionRow {
  readonly secret: string;
  readonly upstream: string;
  readonly status: "refreshing" | "broken";
  readonly reason?: string;
  readonly changed_at: number;
}

export const connectionsCommand: Command = {
  summary: "list the upstreams, and mend what was lost of their connections",
  help: `Usage: stint connections list         [--url ISSUER] [--data DIR]
       stint connections retry SECRET [--url ISSUER] [--data DIR]

list     prints each upstream, how its credentials come and end, and the connections that are broken
retry    tries the stored refresh token once more. When the upstream does not take it, only a new one
         helps: stint secrets set SECRET < FILE

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [verb, secret] = positionals;
    switch (verb) {
      case "list": {
        const { upstreams, connections } = await callAdmin<{
          upstreams: UpstreamRow[];
          connections: ConnectionRow[];
        }>(values, "GET", "/admin/connections");
        if (upstreams.length === 0) process.stdout.write("The tenant document names no upstream yet.\n");
        for (const upstream of upstreams) process.stdout.write(`${describeUpstream(upstream)}\n`);
        for (const connection of connections) process.stdout.write(`${describeConnection(connection)}\n`);
        return 0;
      }
      case "retry": {
        if (secret === undefined) throw new CliError("say which secret; stint connections list names it", 2);
        await callAdmin(values, "POST", `/admin/connections/${encodeURIComponent(secret)}/retry`, {});
        process.stdout.write(`${secret} is tried again at the next call that needs it\n`);
        return 0;
      }
      default:
        throw new CliError("say list or retry; stint connections --help tells more", 2);
    }
  },
};

const ENDS: Readonly<Record<UpstreamRow["ends"], string>> = {
  revocable: "taken back at the end",
  expires: "ends by itself",
  irrevocable: "never taken back",
};

function describeUpstream({ id, connector, credential, ends }: UpstreamRow): string {
  const whose = credential === "shared" ? "one for all sessions" : "one for each session";
  return `${id.padEnd(20)} ${connector.padEnd(22)} ${whose}, ${ENDS[ends]}`;
}

function describeConnection({ secret, upstream, status, reason, changed_at }: ConnectionRow): string {
  const since = new Date(changed_at * 1000).toISOString().replace(".000", "");
  return `! ${secret} (${upstream}) ${status} since ${since}${reason === undefined ? "" : `: ${reason}`}`;
}
