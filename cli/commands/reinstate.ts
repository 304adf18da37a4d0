import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const reinstateCommand: Command = {
  summary: "let an agent ask again that was suspended after denials",
  help: `Usage: stint reinstate CLIENT_ID [--url ISSUER] [--data DIR]

Three denials within an hour suspend an agent for an hour. This ends it, and forgets the denials.

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [clientId] = positionals;
    if (clientId === undefined) throw new CliError("say which agent", 2);
    const path = `/admin/agents/${encodeURIComponent(clientId)}/reinstate`;
    const { reinstated } = await callAdmin<{ reinstated: boolean }>(values, "POST", path, {});
    process.stdout.write(reinstated ? `${clientId} may ask again.\n` : `${clientId} was not suspended.\n`);
    return 0;
  },
};
