import { sealedVersion } from "../crypto/seal.ts";
import type { TenantKeyPurpose, WrappedKey } from "../crypto/vault.ts";

/** A sealed value of the tenant's object, by where it stands. */
export interface SealedRow {
  readonly kind: "secret" | "signing_key";
  readonly name: string;
  readonly sealed: string;
}

/** A sealed value that is to be replaced by the same value under a newer key. */
export interface ResealedRow extends SealedRow {
  readonly resealed: string;
}

/** Where sealed values stand, and under which name each was sealed. */
const TABLES = {
  secret: { table: "secret", key: "name", column: "sealed" },
  signing_key: { table: "signing_key", key: "use || ' ' || kid", column: "sealed_private_jwk" },
} as const;

/**
 * The SQL of a tenant's own keys, wrapped, and of what the tenant's object has sealed under them. No key
 * is ever dropped: a person's object may keep what an old one sealed for years, and an old one costs a row.
 */
export class TenantKeyStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`CREATE TABLE IF NOT EXISTS tenant_key (
      purpose TEXT NOT NULL, version INTEGER NOT NULL, wrapped TEXT NOT NULL, PRIMARY KEY (purpose, version))`);
  }

  all(): WrappedKey[] {
    return this.#sql
      .exec<{ purpose: string; version: number; wrapped: string }>("SELECT purpose, version, wrapped FROM tenant_key")
      .toArray()
      .map((row) => ({ ...row, purpose: row.purpose as TenantKeyPurpose }));
  }

  has(purpose: TenantKeyPurpose): boolean {
    return this.#sql.exec("SELECT 1 FROM tenant_key WHERE purpose = ?", purpose).toArray().length > 0;
  }

  /** Answers whether it is in; a version that somebody else has taken meanwhile is theirs. */
  add({ purpose, version, wrapped }: WrappedKey): boolean {
    const { rowsWritten } = this.#sql.exec(
      "INSERT INTO tenant_key (purpose, version, wrapped) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      purpose,
      version,
      wrapped,
    );
    return rowsWritten > 0;
  }

  /** The same key, wrapped anew. */
  rewrap({ purpose, version, wrapped }: WrappedKey): void {
    this.#sql.exec("UPDATE tenant_key SET wrapped = ? WHERE purpose = ? AND version = ?", wrapped, purpose, version);
  }

  /** All that is sealed under another key than this one. */
  sealedUnderOthers(version: number): SealedRow[] {
    return this.#sealed().filter(({ sealed }) => sealedVersion(sealed) !== version);
  }

  /** Replaces a value, unless it was written anew meanwhile. */
  reseal({ kind, name, sealed, resealed }: ResealedRow): void {
    const { table, key, column } = TABLES[kind];
    this.#sql.exec(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ? AND ${column} = ?`, resealed, name, sealed);
  }

  #sealed(): SealedRow[] {
    return (["secret", "signing_key"] as const).flatMap((kind) => {
      const { table, key, column } = TABLES[kind];
      return this.#sql
        .exec<{ name: string; sealed: string }>(`SELECT ${key} AS name, ${column} AS sealed FROM ${table}`)
        .toArray()
        .map((row) => ({ kind, ...row }));
    });
  }
}
