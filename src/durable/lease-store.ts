import type { LeaseFate, LeaseStatement } from "../domain/receipt.ts";

/** A credential minted for this session, as the object keeps it: sealed. */
export interface HeldLease {
  readonly lease_id: string;
  readonly upstream: string;
  readonly sealed_credential: string;
  readonly sealed_handle: string;
  /** How it can end: taken back, by itself, or not at all. */
  readonly ends: "revocable" | "expires" | "irrevocable";
  /** Epoch seconds, where the upstream said so. */
  readonly expires_at: number | undefined;
  readonly minted_at: number;
}

type Row = {
  lease_id: string;
  upstream: string;
  status: string;
  sealed_credential: string | null;
  sealed_handle: string | null;
  ends: string | null;
  expires_at: number | null;
  reserved_at: number;
  minted_at: number | null;
  fate: string | null;
};

/** A lease this close to its end is not used for another call, in seconds. */
const EXPIRY_MARGIN_SECONDS = 30;
/** A mint that has not been finished after this long was lost with the process, in seconds. */
export const MINT_LOST_AFTER_SECONDS = 120;

/** The leases of one session. `reserved → held → closed`, each closed with its fate. */
export class LeaseStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS lease (
        lease_id TEXT PRIMARY KEY, upstream TEXT NOT NULL, status TEXT NOT NULL, sealed_credential TEXT, sealed_handle TEXT,
        ends TEXT, expires_at INTEGER, reserved_at INTEGER NOT NULL, minted_at INTEGER, fate TEXT)`);
  }

  /**
   * The lease that serves a call now.
   *
   * @param superseded leases that were made for less than the session holds now
   */
  usable(upstream: string, superseded: readonly string[], now: number): HeldLease | undefined {
    return this.#select(
      "WHERE upstream = ? AND status = 'held' AND (expires_at IS NULL OR expires_at > ?) ORDER BY minted_at DESC",
      upstream,
      now + EXPIRY_MARGIN_SECONDS,
    )
      .filter(({ lease_id }) => !superseded.includes(lease_id))
      .map(toHeld)[0];
  }

  /** The ids of those that are held or being minted. */
  open(): string[] {
    return this.#select("WHERE status <> 'closed'").map(({ lease_id }) => lease_id);
  }

  held(): HeldLease[] {
    return this.#select("WHERE status = 'held'").map(toHeld);
  }

  get(leaseId: string): HeldLease | undefined {
    return this.#select("WHERE lease_id = ? AND status = 'held'", leaseId).map(toHeld)[0];
  }

  /** Written before the upstream is asked, so that a crash in between leaves a trace. */
  reserve(leaseId: string, upstream: string, now: number): void {
    this.#sql.exec(
      "INSERT INTO lease (lease_id, upstream, status, reserved_at) VALUES (?, ?, 'reserved', ?)",
      leaseId,
      upstream,
      now,
    );
  }

  /** Drops a reservation for which the upstream minted nothing. */
  release(leaseId: string): void {
    this.#sql.exec("DELETE FROM lease WHERE lease_id = ? AND status = 'reserved'", leaseId);
  }

  hold(lease: HeldLease): void {
    this.#sql.exec(
      "UPDATE lease SET status = 'held', sealed_credential = ?, sealed_handle = ?, ends = ?, expires_at = ?, minted_at = ? WHERE lease_id = ?",
      lease.sealed_credential,
      lease.sealed_handle,
      lease.ends,
      lease.expires_at ?? null,
      lease.minted_at,
      lease.lease_id,
    );
  }

  /** Records what became of a lease and forgets its secrets. */
  close(leaseId: string, fate: LeaseFate): void {
    this.#sql.exec(
      "UPDATE lease SET status = 'closed', sealed_credential = NULL, sealed_handle = NULL, fate = ? WHERE lease_id = ?",
      JSON.stringify(fate),
      leaseId,
    );
  }

  /** Reservations whose mint was lost with the process that began it. */
  lost(now: number): string[] {
    return this.#select("WHERE status = 'reserved' AND reserved_at <= ?", now - MINT_LOST_AFTER_SECONDS).map(
      (row) => row.lease_id,
    );
  }

  /** When the oldest reservation counts as lost, epoch seconds. */
  nextLostAt(): number | undefined {
    const { at } = this.#sql
      .exec<{ at: number | null }>("SELECT min(reserved_at) AS at FROM lease WHERE status = 'reserved'")
      .one();
    return at === null ? undefined : at + MINT_LOST_AFTER_SECONDS;
  }

  allClosed(): boolean {
    return this.#select("WHERE status <> 'closed' LIMIT 1").length === 0;
  }

  statements(): LeaseStatement[] {
    return this.#select("ORDER BY reserved_at, lease_id").map((row) => ({
      lease_id: row.lease_id,
      upstream: row.upstream,
      ...(row.minted_at === null ? {} : { minted_at: row.minted_at }),
      fate: row.fate === null ? { fate: "pending" } : (JSON.parse(row.fate) as LeaseFate),
    }));
  }

  #select(where: string, ...bindings: (string | number)[]): Row[] {
    return this.#sql.exec<Row>(`SELECT * FROM lease ${where}`, ...bindings).toArray();
  }
}

function toHeld(row: Row): HeldLease {
  return {
    lease_id: row.lease_id,
    upstream: row.upstream,
    sealed_credential: row.sealed_credential ?? "",
    sealed_handle: row.sealed_handle ?? "",
    ends: (row.ends ?? "irrevocable") as HeldLease["ends"],
    expires_at: row.expires_at ?? undefined,
    minted_at: row.minted_at ?? 0,
  };
}
