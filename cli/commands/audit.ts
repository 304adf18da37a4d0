import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { AuditVerifier, type AuditRow } from "../audit-verifier.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface Page {
  readonly rows: readonly AuditRow[];
  readonly head: { readonly n: number; readonly chain: string };
}

export const auditCommand: Command = {
  summary: "read the audit log, or verify its chain",
  help: `Usage: stint audit verify [--url ISSUER] [--data DIR]
       stint audit list   [--url ISSUER] [--data DIR]

verify   recomputes every hash from the first row on, and names the first row that does not fit
list     prints the rows, one line of JSON each

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [verb] = positionals;
    if (verb !== "verify" && verb !== "list")
      throw new CliError("say verify or list; stint audit --help tells more", 2);
    const verifier = new AuditVerifier();
    let head = { n: 0, chain: "" };
    for (let after = 0; ;) {
      const page = await callAdmin<Page>(values, "GET", `/admin/audit?after=${after}`);
      head = page.head;
      for (const row of page.rows) {
        if (verb === "list") process.stdout.write(`${JSON.stringify(row)}\n`);
        const fault = verifier.add(row);
        if (verb === "verify" && fault !== undefined) throw new CliError(`row ${row.n} does not fit: ${fault}`);
      }
      after = page.rows.at(-1)?.n ?? after;
      if (page.rows.length === 0 || after >= head.n) break;
    }
    if (verb === "verify") process.stdout.write(`${verifier.count} rows, and every one fits.\n`);
    return 0;
  },
};
