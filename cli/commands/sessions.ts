import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import type { Command } from "../command.ts";

interface Listed {
  readonly session_id: string;
  readonly client_id: string;
  readonly status: string;
  readonly created_at: number;
  readonly ended_at: number | null;
}

export const sessionsCommand: Command = {
  summary: "list the sessions of a tenant, the newest first",
  help: `Usage: stint sessions [--url ISSUER] [--data DIR]

${ADMIN_HELP}`,
  async run(args) {
    const { values } = parseArgs({ args, options: ADMIN_OPTIONS });
    const { sessions } = await callAdmin<{ sessions: Listed[] }>(values, "GET", "/admin/sessions");
    if (sessions.length === 0) process.stdout.write("There are no sessions yet.\n");
    for (const { session_id, client_id, status, created_at, ended_at } of sessions) {
      const times = `${iso(created_at)}${ended_at === null ? "" : ` to ${iso(ended_at)}`}`;
      process.stdout.write(`${session_id}  ${status.padEnd(8)}${client_id.padEnd(20)} ${times}\n`);
    }
    return 0;
  },
};

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}
