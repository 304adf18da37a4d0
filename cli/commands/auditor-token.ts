import { parseArgs } from "node:util";
import { formatDuration, parseDuration } from "../../src/domain/duration.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const auditorTokenCommand: Command = {
  summary: "let an auditor read the log, sessions and receipts, and change nothing",
  help: `Usage: stint auditor-token PERSON [--for TIME] [--url ISSUER] [--data DIR]

Prints a token for PERSON, whose roles in the tenant document hold auditor. With it in STINT_ADMIN_TOKEN
they run stint audit, stint sessions, stint receipt, stint keys list and stint break-glass list; everything
else is refused. It is worth nothing when its time is over, when PERSON is no auditor any more, and after
stint revoke --approver PERSON or --all. The audit log says who was let in, and until when.

  --for TIME     how long, such as 8h (the default) or 30d (the most)
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...ADMIN_OPTIONS, for: { type: "string" } },
    });
    const [person, ...rest] = positionals;
    if (person === undefined || rest.length > 0)
      throw new CliError("say who; stint auditor-token --help tells more", 2);
    const expires_in = parseDuration(values.for ?? "8h");
    if (expires_in === undefined) throw new CliError("--for must be a time such as 90s, 30m, 8h or 2d", 2);
    const path = `/admin/people/${encodeURIComponent(person)}/auditor-token`;
    const { token } = await callAdmin<{ token: string }>(values, "POST", path, { expires_in });
    process.stderr.write(`For ${person}, for ${formatDuration(expires_in)}:\n`);
    process.stdout.write(`${token}\n`);
    return 0;
  },
};
