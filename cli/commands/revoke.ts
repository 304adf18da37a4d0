import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const revokeCommand: Command = {
  summary: "end a session, or all sessions of an agent, at once",
  help: `Usage: stint revoke SESSION_ID [--reason TEXT]
       stint revoke --agent CLIENT_ID [--reason TEXT]

When it returns, nothing that starts later succeeds, and upstream credentials are being taken back.

  --agent ID     every session of this agent, and every request it has open
  --reason TEXT  kept in the audit log and the receipt
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...ADMIN_OPTIONS, agent: { type: "string" }, reason: { type: "string" } },
    });
    const [sessionId] = positionals;
    if ((sessionId === undefined) === (values.agent === undefined))
      throw new CliError("name either one session or an --agent", 2);
    const body = values.reason === undefined ? {} : { reason: values.reason };
    if (values.agent !== undefined) {
      const { sessions } = await callAdmin<{ sessions: string[] }>(
        values,
        "POST",
        `/admin/agents/${encodeURIComponent(values.agent)}/revoke`,
        body,
      );
      process.stdout.write(`Revoked ${sessions.length} session(s) of ${values.agent}.\n`);
      return 0;
    }
    const { result } = await callAdmin<{ result: string }>(
      values,
      "POST",
      `/admin/sessions/${encodeURIComponent(sessionId ?? "")}/revoke`,
      body,
    );
    process.stdout.write(result === "revoked" ? `Revoked ${sessionId}.\n` : `${sessionId} had ended already.\n`);
    return 0;
  },
};
