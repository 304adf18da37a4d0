import about from "../package.json" with { type: "json" };
import { CliError } from "./cli-error.ts";
import type { Command } from "./command.ts";
import { plainText } from "./plain-text.ts";

/** Each is loaded when it is called for: a command needs little of what the others do. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./commands/serve.ts")).serveCommand,
  apply: async () => (await import("./commands/apply.ts")).applyCommand,
  secrets: async () => (await import("./commands/secrets.ts")).secretsCommand,
  upstreams: async () => (await import("./commands/upstreams.ts")).upstreamsCommand,
  servers: async () => (await import("./commands/servers.ts")).serversCommand,
  sessions: async () => (await import("./commands/sessions.ts")).sessionsCommand,
  revoke: async () => (await import("./commands/revoke.ts")).revokeCommand,
  reinstate: async () => (await import("./commands/reinstate.ts")).reinstateCommand,
  receipt: async () => (await import("./commands/receipt.ts")).receiptCommand,
  verify: async () => (await import("./commands/verify.ts")).verifyCommand,
  audit: async () => (await import("./commands/audit.ts")).auditCommand,
  "admin-token": async () => (await import("./commands/admin-token.ts")).adminTokenCommand,
  "auditor-token": async () => (await import("./commands/auditor-token.ts")).auditorTokenCommand,
  invite: async () => (await import("./commands/invite.ts")).inviteCommand,
  passkeys: async () => (await import("./commands/passkeys.ts")).passkeysCommand,
  accounts: async () => (await import("./commands/accounts.ts")).accountsCommand,
  connections: async () => (await import("./commands/connections.ts")).connectionsCommand,
  away: async () => (await import("./commands/away.ts")).awayCommand,
  "break-glass": async () => (await import("./commands/break-glass.ts")).breakGlassCommand,
  keys: async () => (await import("./commands/keys.ts")).keysCommand,
  keygen: async () => (await import("./commands/keygen.ts")).keygenCommand,
  request: async () => (await import("./commands/request.ts")).requestCommand,
  run: async () => (await import("./commands/run.ts")).runCommand,
  mcp: async () => (await import("./commands/mcp.ts")).mcpCommand,
};

const [name = "--help", ...args] = process.argv.slice(2);

// Whoever reads along has seen enough: stint audit list | head
process.stdout.on("error", (fault: NodeJS.ErrnoException) => {
  if (fault.code === "EPIPE") return;
  process.stderr.write(`stint ${name}: standard output cannot be written: ${fault.message}\n`);
  process.exitCode = 1;
});

try {
  const command = Object.hasOwn(COMMANDS, name) ? await COMMANDS[name]?.() : undefined;
  // What stands behind "--" is another program's.
  const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  if (command !== undefined && (own.includes("--help") || own.includes("-h"))) process.stdout.write(command.help);
  else if (command !== undefined) process.exitCode = await command.run(args);
  else if (["--help", "-h", "help"].includes(name)) process.stdout.write(await usage());
  else if (name === "--version") process.stdout.write(`${about.version}\n`);
  else throw new CliError(`there is no command "${name}"; stint --help lists them`, 2);
} catch (fault) {
  const isUsage = fault instanceof TypeError && "code" in fault && String(fault.code).startsWith("ERR_PARSE_ARGS");
  if (!(fault instanceof CliError) && !isUsage) throw fault;
  const more = isUsage ? `; stint ${name} --help tells more` : "";
  process.stderr.write(plainText(`stint ${name}: ${fault.message}${more}\n`));
  process.exitCode = fault instanceof CliError ? fault.exitCode : 2;
}

async function usage(): Promise<string> {
  const lines = Object.entries(COMMANDS).map(
    async ([command, load]) => `  ${command.padEnd(15)}${(await load()).summary}`,
  );
  return `stint: lends an AI agent the access one task needs, for as long as a human agreed to

Usage: stint COMMAND [options]

${(await Promise.all(lines)).join("\n")}

stint COMMAND --help tells more of each.
`;
}
