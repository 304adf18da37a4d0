import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { AuditVerifier, readCheckpoint, type AuditRow, type Checkpoint } from "../audit-verifier.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface Page {
  readonly rows: readonly AuditRow[];
  readonly head: { readonly n: number; readonly chain: string };
  /** The head, signed. */
  readonly checkpoint: string;
}

export const auditCommand: Command = {
  summary: "read the audit log, or verify its chain",
  help: `Usage: stint audit verify     [--checkpoint FILE] [--url ISSUER] [--data DIR]
       stint audit list       [--url ISSUER] [--data DIR]
       stint audit checkpoint [--url ISSUER] [--data DIR]

verify       recomputes every hash from the first row on, and names the first row that does not fit
list         prints the rows, one line of JSON each
checkpoint   prints the signed head of the log: keep it where the broker's operator cannot change it

  --checkpoint FILE   a head that was kept: the log must still hold it
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...ADMIN_OPTIONS, checkpoint: { type: "string" } },
    });
    const [verb] = positionals;
    if (verb !== "verify" && verb !== "list" && verb !== "checkpoint")
      throw new CliError("say verify, list or checkpoint; stint audit --help tells more", 2);
    if (verb === "checkpoint") {
      const { checkpoint } = await callAdmin<Page>(values, "GET", "/admin/audit");
      process.stdout.write(`${checkpoint}\n`);
      return 0;
    }
    const verifier = new AuditVerifier(values.checkpoint === undefined ? undefined : keptAt(values.checkpoint));
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
    const missing = verifier.end();
    if (verb === "verify" && missing !== undefined) throw new CliError(missing);
    if (verb === "verify") process.stdout.write(`${verifier.count} rows, and every one fits.\n`);
    return 0;
  },
};

function keptAt(path: string): Checkpoint {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw new CliError(`${path} cannot be read`);
  }
  const checkpoint = readCheckpoint(text);
  if (checkpoint === undefined) throw new CliError(`${path} holds no checkpoint; stint audit checkpoint prints one`);
  return checkpoint;
}
