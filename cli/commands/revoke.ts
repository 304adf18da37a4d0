import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const revokeCommand: Command = {
  summary: "end a session, or all of an agent, of an approver, or of the tenant, at once",
  help: `Usage: stint revoke SESSION_ID [--reason TEXT]
       stint revoke --agent CLIENT_ID | --approver PERSON | --all [--reason TEXT]
                    [--url ISSUER] [--data DIR]

When it returns, nothing that starts later succeeds, and upstream credentials are being taken back.

  --agent CLIENT_ID    every session of this agent, and every request it has open
  --approver PERSON    every session that this person approved
  --all                every session of the tenant, and every open request
  --reason TEXT        kept in the audit log and the receipt
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...ADMIN_OPTIONS,
        agent: { type: "string" },
        approver: { type: "string" },
        all: { type: "boolean" },
        reason: { type: "string" },
      },
    });
    const [sessionId] = positionals;
    const named = [sessionId, values.agent, values.approver, values.all].filter((one) => one !== undefined);
    if (named.length !== 1)
      throw new CliError("name one session, an --agent, an --approver, or --all; stint revoke --help tells more", 2);
    const body = values.reason === undefined ? {} : { reason: values.reason };
    if (sessionId === undefined) {
      const { sessions } = await callAdmin<{ sessions: string[] }>(values, "POST", pathOf(values), body);
      process.stdout.write(`Revoked ${sessions.length} session(s).\n`);
      return 0;
    }
    const { result } = await callAdmin<{ result: string }>(
      values,
      "POST",
      `/admin/sessions/${encodeURIComponent(sessionId)}/revoke`,
      body,
    );
    process.stdout.write(result === "revoked" ? `Revoked ${sessionId}.\n` : `${sessionId} had ended already.\n`);
    return 0;
  },
};

function pathOf({ agent, approver }: { agent?: string | undefined; approver?: string | undefined }): string {
  if (agent !== undefined) return `/admin/agents/${encodeURIComponent(agent)}/revoke`;
  return approver === undefined ? "/admin/revoke" : `/admin/people/${encodeURIComponent(approver)}/revoke`;
}
