import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Adapter, AdapterPayload } from "oidc-provider";

/**
 * A store for oidc-provider that has written to the disk before it answers, as the objects of the
 * broker have: SQLite with a write-ahead log that is synchronised at each commit.
 *
 * @param file the database
 */
export function sqliteAdapter(file: string): new (model: string) => Adapter {
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS entry (
      model TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL, expires_at INTEGER, uid TEXT, user_code TEXT, grant_id TEXT,
      PRIMARY KEY (model, id)) WITHOUT ROWID`);
  const upsert = database.prepare("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)");
  const byId = database.prepare("SELECT payload, expires_at FROM entry WHERE model = ? AND id = ?");
  const byUid = database.prepare("SELECT payload, expires_at FROM entry WHERE model = ? AND uid = ?");
  const byUserCode = database.prepare("SELECT payload, expires_at FROM entry WHERE model = ? AND user_code = ?");
  const remove = database.prepare("DELETE FROM entry WHERE model = ? AND id = ?");
  const removeGrant = database.prepare("DELETE FROM entry WHERE grant_id = ?");
  const consume = database.prepare(
    "UPDATE entry SET payload = json_set(payload, '$.consumed', ?) WHERE model = ? AND id = ?",
  );

  return class SqliteAdapter implements Adapter {
    readonly #model: string;

    constructor(model: string) {
      this.#model = model;
    }

    async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
      const { uid = null, userCode = null, grantId = null } = payload;
      upsert.run(this.#model, id, JSON.stringify(payload), now() + (expiresIn || 0), uid, userCode, grantId);
    }

    async find(id: string): Promise<AdapterPayload | undefined> {
      return this.#live(byId, id);
    }

    async findByUid(uid: string): Promise<AdapterPayload | undefined> {
      return this.#live(byUid, uid);
    }

    async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
      return this.#live(byUserCode, userCode);
    }

    async consume(id: string): Promise<void> {
      consume.run(now(), this.#model, id);
    }

    async destroy(id: string): Promise<void> {
      remove.run(this.#model, id);
    }

    async revokeByGrantId(grantId: string): Promise<void> {
      removeGrant.run(grantId);
    }

    #live(query: StatementSync, key: string): AdapterPayload | undefined {
      const row = query.get(this.#model, key) as { payload: string; expires_at: number } | undefined;
      return row === undefined || row.expires_at < now() ? undefined : (JSON.parse(row.payload) as AdapterPayload);
    }
  };
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
