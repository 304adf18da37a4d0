import { CliError } from "./cli-error.ts";
import { adminTokenCommand } from "./commands/admin-token.ts";
import { applyCommand } from "./commands/apply.ts";
import { auditCommand } from "./commands/audit.ts";
import { connectionsCommand } from "./commands/connections.ts";
import { awayCommand } from "./commands/away.ts";
import { breakGlassCommand } from "./commands/break-glass.ts";
import { inviteCommand } from "./commands/invite.ts";
import { keygenCommand } from "./commands/keygen.ts";
import { keysCommand } from "./commands/keys.ts";
import { accountsCommand } from "./commands/accounts.ts";
import { mcpCommand } from "./commands/mcp.ts";
import { passkeysCommand } from "./commands/passkeys.ts";
import { receiptCommand } from "./commands/receipt.ts";
import { reinstateCommand } from "./commands/reinstate.ts";
import { requestCommand } from "./commands/request.ts";
import { revokeCommand } from "./commands/revoke.ts";
import { runCommand } from "./commands/run.ts";
import { secretsCommand } from "./commands/secrets.ts";
import { serveCommand } from "./commands/serve.ts";
import { sessionsCommand } from "./commands/sessions.ts";
import { serversCommand } from "./commands/servers.ts";
import { upstreamsCommand } from "./commands/upstreams.ts";
import { verifyCommand } from "./commands/verify.ts";
import type { Command } from "./command.ts";
import { plainText } from "./plain-text.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: serveCommand,
  apply: applyCommand,
  secrets: secretsCommand,
  upstreams: upstreamsCommand,
  servers: serversCommand,
  sessions: sessionsCommand,
  revoke: revokeCommand,
  reinstate: reinstateCommand,
  receipt: receiptCommand,
  verify: verifyCommand,
  audit: auditCommand,
  "admin-token": adminTokenCommand,
  invite: inviteCommand,
  passkeys: passkeysCommand,
  accounts: accountsCommand,
  connections: connectionsCommand,
  away: awayCommand,
  "break-glass": breakGlassCommand,
  keys: keysCommand,
  keygen: keygenCommand,
  request: requestCommand,
  run: runCommand,
  mcp: mcpCommand,
};

const USAGE = `stint: lends an AI agent the access one task needs, for as long as a human agreed to

Usage: stint COMMAND [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(13)}${summary}`)
  .join("\n")}

stint COMMAND --help tells more of each.
`;

const [name = "--help", ...args] = process.argv.slice(2);

try {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  // What stands behind "--" is another program's.
  const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  if (command !== undefined && (own.includes("--help") || own.includes("-h"))) process.stdout.write(command.help);
  else if (command !== undefined) process.exitCode = await command.run(args);
  else if (["--help", "-h", "help"].includes(name)) process.stdout.write(USAGE);
  else throw new CliError(`there is no command "${name}"; stint --help lists them`, 2);
} catch (fault) {
  const isUsage = fault instanceof TypeError && "code" in fault && String(fault.code).startsWith("ERR_PARSE_ARGS");
  if (!(fault instanceof CliError) && !isUsage) throw fault;
  process.stderr.write(plainText(`stint ${name}: ${fault.message}\n`));
  process.exitCode = fault instanceof CliError ? fault.exitCode : 2;
}
