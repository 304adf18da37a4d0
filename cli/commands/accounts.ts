import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface AccountRow {
  readonly upstream: string;
  readonly scope?: string;
  readonly linked_at: number;
  readonly broken?: string;
}

export const accountsCommand: Command = {
  summary: "list the accounts that a person linked, or unlink one",
  help: `Usage: stint accounts list   PERSON                [--url ISSUER] [--data DIR]
       stint accounts unlink PERSON UPSTREAM       [--url ISSUER] [--data DIR]

list     prints each account with when it was linked and what was consented to
unlink   forgets it, takes it back at the upstream and from sessions at work. Only its owner can link it again

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [verb, person, upstream] = positionals;
    if (person === undefined || (verb !== "list" && (verb !== "unlink" || upstream === undefined)))
      throw new CliError("say list or unlink, whose, and at which upstream; stint accounts --help tells more", 2);
    const path = `/admin/people/${encodeURIComponent(person)}/accounts`;
    if (verb === "unlink") {
      await callAdmin(values, "POST", `${path}/${encodeURIComponent(upstream ?? "")}/unlink`, {});
      process.stdout.write(`unlinked ${upstream} of ${person}\n`);
      return 0;
    }
    const { accounts } = await callAdmin<{ accounts: AccountRow[] }>(values, "GET", path);
    for (const account of accounts) process.stdout.write(`${describe(account)}\n`);
    if (accounts.length === 0) process.stdout.write(`${person} has linked no account; people do that at /accounts\n`);
    return 0;
  },
};

function describe({ upstream, scope, linked_at, broken }: AccountRow): string {
  const since = new Date(linked_at * 1000).toISOString().replace(".000", "");
  const state = broken === undefined ? "usable" : `broken: ${broken}`;
  return `${upstream}  linked ${since}, ${state}${scope === undefined ? "" : `, for ${scope}`}`;
}
