import type { Passkey, PasskeyUse } from "../crypto/passkey.ts";
import { err, ok, type Result } from "../domain/result.ts";

/** How long a further passkey waits before it can decide, in seconds: time for its owner to notice it. */
const COOLING_OFF_SECONDS = 24 * 3600;
const MAX_PASSKEYS = 10;

/** A passkey as its person and an admin see it. */
export interface KeptPasskey extends Passkey {
  /** Epoch seconds. */
  readonly created_at: number;
  readonly usable_from: number;
  readonly last_used_at?: number | undefined;
}

export type UseFault = "unknown" | "cooling_off" | "counter_went_back" | "backup_changed";

type Row = {
  credential_id: string;
  public_key: string;
  counter: number;
  transports: string;
  backup_eligible: number;
  created_at: number;
  usable_from: number;
  last_used_at: number | null;
};

/** The SQL of one person's passkeys. One that was revoked is kept, so that it can never be made anew. */
export class PasskeyStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS passkey (
        credential_id TEXT PRIMARY KEY, public_key TEXT NOT NULL, counter INTEGER NOT NULL, transports TEXT NOT NULL,
        backup_eligible INTEGER NOT NULL, created_at INTEGER NOT NULL, usable_from INTEGER NOT NULL, last_used_at INTEGER,
        revoked_at INTEGER)`);
  }

  /** The passkeys that are not revoked, oldest first. */
  list(): KeptPasskey[] {
    return this.#sql
      .exec<Row>(
        `SELECT credential_id, public_key, counter, transports, backup_eligible, created_at, usable_from, last_used_at
         FROM passkey WHERE revoked_at IS NULL ORDER BY created_at`,
      )
      .toArray()
      .map(({ transports, backup_eligible, last_used_at, ...row }) => ({
        ...row,
        transports: JSON.parse(transports) as string[],
        backup_eligible: backup_eligible === 1,
        last_used_at: last_used_at ?? undefined,
      }));
  }

  /**
   * Takes a new one. The first may decide at once; a further one only after a day, unless an admin said
   * otherwise.
   *
   * @param since epoch seconds; what came before was somebody else's, who left
   * @returns from when on it may decide, epoch seconds
   */
  add(
    passkey: Passkey,
    { atOnce, since }: { readonly atOnce: boolean; readonly since: number },
    now: number,
  ): Result<number, "known_already" | "too_many"> {
    const { ever } = this.#sql
      .exec<{ ever: number }>("SELECT count(*) AS ever FROM passkey WHERE created_at > ?", since)
      .one();
    if (this.list().length >= MAX_PASSKEYS) return err("too_many");
    const usable_from = ever === 0 || atOnce ? now : now + COOLING_OFF_SECONDS;
    const inserted = this.#sql
      .exec(
        `INSERT INTO passkey (credential_id, public_key, counter, transports, backup_eligible, created_at, usable_from)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1`,
        passkey.credential_id,
        passkey.public_key,
        passkey.counter,
        JSON.stringify(passkey.transports),
        passkey.backup_eligible ? 1 : 0,
        now,
        usable_from,
      )
      .toArray();
    return inserted.length === 0 ? err("known_already") : ok(usable_from);
  }

  /** Moves its counter on, or says what is wrong with this use of it. */
  use(credentialId: string, { counter, backup_eligible }: PasskeyUse, now: number): UseFault | undefined {
    const passkey = this.list().find(({ credential_id }) => credential_id === credentialId);
    const fault = judgeUse(passkey, counter, backup_eligible, now);
    if (fault === undefined)
      this.#sql.exec(
        "UPDATE passkey SET counter = ?, last_used_at = ? WHERE credential_id = ?",
        counter,
        now,
        credentialId,
      );
    return fault;
  }

  revoke(credentialId: string, now: number): void {
    this.#sql.exec("UPDATE passkey SET revoked_at = ? WHERE credential_id = ?", now, credentialId);
  }
}

/** A counter that goes back, or a key that says it became copyable, is a copy of a key, and decides nothing. */
function judgeUse(
  passkey: KeptPasskey | undefined,
  counter: number,
  backupEligible: boolean,
  now: number,
): UseFault | undefined {
  if (passkey === undefined) return "unknown";
  if (now < passkey.usable_from) return "cooling_off";
  if (passkey.backup_eligible !== backupEligible) return "backup_changed";
  // Zero is what authenticators say that keep no counter.
  const countsUp = counter > passkey.counter || (counter === 0 && passkey.counter === 0);
  return countsUp ? undefined : "counter_went_back";
}
