import type { World } from "../../demo/world.ts";

/** One row of the tenant's audit log. */
export interface AuditRow {
  readonly n: number;
  readonly source: string;
  readonly type: string;
  readonly data: string;
}

/** The whole of the first tenant's audit log. */
export async function auditRows({ broker }: World): Promise<AuditRow[]> {
  const all: AuditRow[] = [];
  for (;;) {
    const { body } = await broker.admin("GET", `/admin/audit?after=${all.at(-1)?.n ?? 0}`);
    const rows = body["rows"] as AuditRow[];
    if (rows.length === 0) return all;
    all.push(...rows);
  }
}
