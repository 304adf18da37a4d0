import type { CredentialEnd } from "../connectors/connector.ts";
import type { LeaseFate, LeaseStatement } from "../domain/receipt.ts";
import { addColumn } from "./add-column.ts";

/** A credential minted for this session, as the object keeps it: sealed. */
export interface HeldLease {
  readonly lease_id: string;
  readonly upstream: string;
  /** Undefined for one that may not be used, and only waits to be taken back. */
  readonly sealed_credential: string | undefined;
  readonly sealed_handle: string;
  readonly ends: CredentialEnd;
  /** Epoch seconds, where the upstream said so. */
  readonly expires_at: number | undefined;
  readonly minted_at: number;
  /** What the upstream gave, where it tells. */
  readonly scopes: readonly string[] | undefined;
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
  scopes: string | null;
  /** Whether the upstream may hold a credential that was never stored here. */
  orphans: string | null;
  ends_by: number | null;
  for_server: string | null;
  handed_out_at: number | null;
};

/** A credential that is about to be asked for. */
export interface Reservation {
  readonly leaseId: string;
  readonly upstream: string;
  /** Epoch seconds. */
  readonly now: number;
  readonly orphans: "possible" | "none";
  /** When it ends by itself at the latest, epoch seconds, where that is known. */
  readonly endsBy: number | undefined;
  /** The server that it shall be handed to; undefined for one that stays here. */
  readonly forServer: string | undefined;
}

/** A lease this close to its end is not used for another call, in seconds; of a short one, its last half. */
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
        ends TEXT, expires_at INTEGER, reserved_at INTEGER NOT NULL, minted_at INTEGER, fate TEXT, scopes TEXT,
        orphans TEXT, ends_by INTEGER, for_server TEXT, handed_out_at INTEGER) WITHOUT ROWID`);
  }

  /** Makes a table of an earlier release what this one needs. */
  static addColumns(sql: SqlStorage): void {
    addColumn(sql, "lease", "scopes", "TEXT");
    addColumn(sql, "lease", "orphans", "TEXT");
    addColumn(sql, "lease", "ends_by", "INTEGER");
    addColumn(sql, "lease", "for_server", "TEXT");
    addColumn(sql, "lease", "handed_out_at", "INTEGER");
  }

  /**
   * The lease that serves a call now.
   *
   * @param superseded leases that were made for less than the session holds now
   * @param sessionEnd epoch seconds; a lease that lasts until then is used to its last second
   */
  usable(upstream: string, superseded: readonly string[], now: number, sessionEnd: number): HeldLease | undefined {
    return this.#select(
      `WHERE upstream = ? AND status = 'held' AND sealed_credential IS NOT NULL AND (expires_at IS NULL
       OR (expires_at > ? AND (expires_at >= ? OR expires_at - min(?, (expires_at - minted_at) / 2) > ?)))
       ORDER BY minted_at DESC`,
      upstream,
      now,
      sessionEnd,
      EXPIRY_MARGIN_SECONDS,
      now,
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

  /** Keeps what an upstream gave from being used again, until it is taken back. */
  withdraw(leaseId: string): void {
    this.#sql.exec("UPDATE lease SET sealed_credential = NULL WHERE lease_id = ? AND status = 'held'", leaseId);
  }

  get(leaseId: string): HeldLease | undefined {
    return this.#select("WHERE lease_id = ? AND status = 'held'", leaseId).map(toHeld)[0];
  }

  isOpen(leaseId: string): boolean {
    return this.#select("WHERE lease_id = ? AND status <> 'closed'", leaseId).length > 0;
  }

  /** Written before the upstream is asked, so that a crash in between leaves a trace. */
  reserve({ leaseId, upstream, now, orphans, endsBy, forServer }: Reservation): void {
    this.#sql.exec(
      "INSERT INTO lease (lease_id, upstream, status, reserved_at, orphans, ends_by, for_server) VALUES (?, ?, 'reserved', ?, ?, ?, ?)",
      leaseId,
      upstream,
      now,
      orphans,
      endsBy ?? null,
      forServer ?? null,
    );
  }

  /** How many were made of an upstream to be handed out, or are being made. */
  toHandOut(upstream: string): number {
    return this.#select("WHERE upstream = ? AND for_server IS NOT NULL", upstream).length;
  }

  handedOut(leaseId: string, now: number): void {
    this.#sql.exec("UPDATE lease SET handed_out_at = ? WHERE lease_id = ?", now, leaseId);
  }

  /** Drops a reservation for which the upstream minted nothing. */
  release(leaseId: string): void {
    this.#sql.exec("DELETE FROM lease WHERE lease_id = ? AND status = 'reserved'", leaseId);
  }

  hold(lease: HeldLease): void {
    this.#sql.exec(
      `UPDATE lease SET status = 'held', sealed_credential = ?, sealed_handle = ?, ends = ?, expires_at = ?, minted_at = ?, scopes = ?
       WHERE lease_id = ?`,
      lease.sealed_credential ?? null,
      lease.sealed_handle,
      lease.ends,
      lease.expires_at ?? null,
      lease.minted_at,
      lease.scopes?.join(" ") ?? null,
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
  lost(now: number): { readonly leaseId: string; readonly mayLive: boolean; readonly fate: LeaseFate }[] {
    return this.#select("WHERE status = 'reserved' AND reserved_at <= ?", now - MINT_LOST_AFTER_SECONDS).map((row) => ({
      leaseId: row.lease_id,
      mayLive: row.orphans !== "none",
      fate: { fate: "unknown", ...(row.ends_by === null ? {} : { ends_by: row.ends_by }) },
    }));
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
      ...(row.for_server === null || row.handed_out_at === null
        ? {}
        : { handed_out: { server: row.for_server, at: row.handed_out_at, unconstrained: true as const } }),
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
    sealed_credential: row.sealed_credential ?? undefined,
    sealed_handle: row.sealed_handle ?? "",
    ends: (row.ends ?? "irrevocable") as CredentialEnd,
    expires_at: row.expires_at ?? undefined,
    minted_at: row.minted_at ?? 0,
    scopes: row.scopes?.split(" ").filter((scope) => scope !== ""),
  };
}
