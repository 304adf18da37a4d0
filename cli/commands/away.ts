import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const awayCommand: Command = {
  summary: "let somebody stand in for an approver who is away",
  help: `Usage: stint away PERSON --until TIME --delegate PERSON [--from TIME]
       stint away PERSON --back

While PERSON is away, the delegate (an approver) is asked as well and may decide in PERSON's place, as
themselves: for requests that come in that time, and until it ends. Never where the delegate owns the
agent or is the one it works for, and never where the delegate is away too. Both are told.

  --until TIME       when it ends, such as 2027-01-31T18:00:00Z; thirty days at most
  --from TIME        when it begins (default now)
  --back             ends it now; what the tenant document itself says of an absence stays
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...ADMIN_OPTIONS,
        until: { type: "string" },
        from: { type: "string" },
        delegate: { type: "string" },
        back: { type: "boolean" },
      },
    });
    const [person] = positionals;
    if (person === undefined) throw new CliError("say who is away; stint away --help tells more", 2);
    const path = `/admin/people/${encodeURIComponent(person)}/away`;
    const { from, until, delegate } = values;
    if (values.back === true) {
      await callAdmin(values, "DELETE", path);
      process.stdout.write(`${person} is back.\n`);
      return 0;
    }
    if (until === undefined || delegate === undefined) throw new CliError("say --until when, and --delegate who", 2);
    await callAdmin(values, "PUT", path, { until, delegate, ...(from === undefined ? {} : { from }) });
    process.stdout.write(`${delegate} may decide in the place of ${person} until ${until}.\n`);
    return 0;
  },
};
