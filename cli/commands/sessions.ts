import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface Listed {
  readonly session_id: string;
  readonly client_id: string;
  readonly status: string;
  readonly created_at: number;
  readonly ended_at: number | null;
  readonly approved_by: readonly string[];
}

export const sessionsCommand: Command = {
  summary: "list the sessions of a tenant, the newest first, or print one",
  help: `Usage: stint sessions [SESSION_ID] [--url ISSUER] [--data DIR]

Without SESSION_ID it prints the newest 500, a line each. With one it prints all that is known of that
session, as JSON: what was asked for and granted, by whom it was decided, until when, what was used, and its
upstream credentials.

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [sessionId, ...rest] = positionals;
    if (rest.length > 0) throw new CliError("name one session, or none; stint sessions --help tells more", 2);
    if (sessionId !== undefined) {
      const session = await callAdmin<object>(values, "GET", `/admin/sessions/${encodeURIComponent(sessionId)}`);
      process.stdout.write(`${JSON.stringify(session, undefined, 2)}\n`);
      return 0;
    }
    const { sessions } = await callAdmin<{ sessions: Listed[] }>(values, "GET", "/admin/sessions");
    if (sessions.length === 0) process.stdout.write("There are no sessions yet.\n");
    for (const { session_id, client_id, status, created_at, ended_at, approved_by } of sessions) {
      const times = `${iso(created_at)}${ended_at === null ? "" : ` to ${iso(ended_at)}`}`;
      const by = approved_by.length === 0 ? "" : `  approved by ${approved_by.join(", ")}`;
      process.stdout.write(`${session_id}  ${status.padEnd(8)}${client_id.padEnd(20)} ${times}${by}\n`);
    }
    return 0;
  },
};

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}
