import { KEY_LIVES, type KeyUse, type SealedSigningKey } from "../crypto/signing-key.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { PublicJwk } from "../domain/tenant.ts";
import { addColumn } from "./add-column.ts";

/** The SQL of a tenant's signing keys. */
export class KeyStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`CREATE TABLE IF NOT EXISTS signing_key (
      kid TEXT PRIMARY KEY, use TEXT NOT NULL, public_jwk TEXT NOT NULL, sealed_private_jwk TEXT NOT NULL)`);
    addColumn(sql, "signing_key", "signs_from", "INTEGER NOT NULL DEFAULT 0");
    addColumn(sql, "signing_key", "verify_until", "INTEGER");
  }

  all(): SealedSigningKey[] {
    type Row = {
      kid: string;
      use: string;
      public_jwk: string;
      sealed_private_jwk: string;
      signs_from: number;
      verify_until: number | null;
    };
    return this.#sql
      .exec<Row>("SELECT kid, use, public_jwk, sealed_private_jwk, signs_from, verify_until FROM signing_key")
      .toArray()
      .map((row) => ({
        ...row,
        use: row.use as KeyUse,
        public_jwk: JSON.parse(row.public_jwk) as PublicJwk,
        verify_until: row.verify_until ?? undefined,
      }));
  }

  has(use: KeyUse): boolean {
    return this.#sql.exec("SELECT 1 FROM signing_key WHERE use = ?", use).toArray().length > 0;
  }

  add(key: SealedSigningKey): void {
    this.#sql.exec(
      "INSERT INTO signing_key (kid, use, public_jwk, sealed_private_jwk, signs_from) VALUES (?, ?, ?, ?, ?)",
      key.kid,
      key.use,
      canonicalJson(key.public_jwk),
      key.sealed_private_jwk,
      key.signs_from,
    );
  }

  /**
   * Lets a use's older keys verify on until the last thing they sign is gone: they sign until the new
   * one begins, and what they sign lives no longer than what is said here.
   */
  succeed({ use, signs_from }: SealedSigningKey, longestSessionSeconds: number): void {
    const { verifySeconds } = KEY_LIVES[use];
    if (verifySeconds === "forever") return;
    const until = signs_from + (verifySeconds === "session" ? longestSessionSeconds : verifySeconds);
    this.#sql.exec(
      "UPDATE signing_key SET verify_until = ? WHERE use = ? AND signs_from < ? AND verify_until IS NULL",
      until,
      use,
      signs_from,
    );
  }

  remove(kid: string): KeyUse | undefined {
    const [row] = this.#sql.exec<{ use: string }>("DELETE FROM signing_key WHERE kid = ? RETURNING use", kid).toArray();
    return row?.use as KeyUse | undefined;
  }

  removeOutlived(now: number): void {
    this.#sql.exec("DELETE FROM signing_key WHERE verify_until <= ?", now);
  }
}
