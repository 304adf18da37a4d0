import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin, type AdminAccess } from "../admin-client.ts";
import { AuditVerifier, readCheckpoint, readRow, type AuditRow, type Checkpoint } from "../audit-verifier.ts";
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
  help: `Usage: stint audit verify     [--checkpoint FILE] [--file FILE | --url ISSUER] [--data DIR]
       stint audit list       [--session SESSION_ID] [--after ROW] [--url ISSUER] [--data DIR]
       stint audit checkpoint [--url ISSUER] [--data DIR]

verify       recomputes every hash from the first row on, and names the first row that does not fit
list         prints the rows, one line of JSON each
checkpoint   prints the signed head of the log: keep it where the broker's operator cannot change it

  --checkpoint FILE   a head that was kept: the log must still hold it
  --file FILE         what stint audit list printed, whole: verified without any broker
  --session ID        only the rows of this session, and those that name it
  --after ROW         only what came after row number ROW (its "n"), for whoever reads on from there
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...ADMIN_OPTIONS,
        checkpoint: { type: "string" },
        file: { type: "string" },
        session: { type: "string" },
        after: { type: "string" },
      },
    });
    switch (positionals[0]) {
      case "checkpoint": {
        const { checkpoint } = await callAdmin<Page>(values, "GET", "/admin/audit");
        process.stdout.write(`${checkpoint}\n`);
        return 0;
      }
      case "list": {
        const after = Number(values.after ?? 0);
        if (!Number.isSafeInteger(after) || after < 0) throw new CliError("--after must be the number of a row", 2);
        for await (const row of readLog(values, after)) {
          if (process.stdout.errored !== null) return 0;
          if (values.session === undefined || isOf(row, values.session))
            process.stdout.write(`${JSON.stringify(row)}\n`);
        }
        return 0;
      }
      case "verify": {
        const verifier = new AuditVerifier(values.checkpoint === undefined ? undefined : keptAt(values.checkpoint));
        for await (const row of values.file === undefined ? readLog(values) : rowsIn(values.file)) {
          const fault = verifier.add(row);
          if (fault !== undefined) throw new CliError(`row ${row.n} does not fit: ${fault}`);
        }
        const missing = verifier.end();
        if (missing !== undefined) throw new CliError(missing);
        process.stdout.write(`${verifier.count} rows, and every one fits.\n`);
        return 0;
      }
      default:
        throw new CliError("say verify, list or checkpoint; stint audit --help tells more", 2);
    }
  },
};

async function* readLog(access: AdminAccess, start = 0): AsyncGenerator<AuditRow> {
  for (let after = start; ;) {
    const { rows, head } = await callAdmin<Page>(access, "GET", `/admin/audit?after=${after}`);
    yield* rows;
    after = rows.at(-1)?.n ?? after;
    if (rows.length === 0 || after >= head.n) return;
  }
}

/** Rows that were kept as they were listed, one line each. */
async function* rowsIn(path: string): AsyncGenerator<AuditRow> {
  let number = 0;
  for (const line of textAt(path).split("\n")) {
    number += 1;
    if (line === "") continue;
    const row = readRow(line);
    if (row === undefined) throw new CliError(`${path} line ${number} is no row; stint audit list prints them`);
    yield row;
  }
}

/** Whether a row is of this session's own chain, or of another that names it. */
function isOf({ source, data }: AuditRow, sessionId: string): boolean {
  return source === sessionId || data.includes(`"${sessionId}"`);
}

function keptAt(path: string): Checkpoint {
  const checkpoint = readCheckpoint(textAt(path));
  if (checkpoint === undefined) throw new CliError(`${path} holds no checkpoint; stint audit checkpoint prints one`);
  return checkpoint;
}

function textAt(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new CliError(`${path} cannot be read`);
  }
}
