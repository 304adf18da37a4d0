import { DurableObject } from "cloudflare:workers";
import type { SealedSigningKey } from "../crypto/signing-key.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import { Journal } from "./journal.ts";
import { LedgerFeed } from "./ledger-feed.ts";

/** What an isolate needs to serve a tenant; cached there for a few seconds. */
export interface TenantSnapshot {
  /** Grows with every change of anything in here. */
  readonly revision: number;
  readonly configVersion: number;
  /** The tenant's document as canonical JSON; undefined until one is applied. */
  readonly document: string | undefined;
  readonly keys: readonly SealedSigningKey[];
  /** For each agent that was ever cut off: sessions asked for until then (epoch seconds) are dead. */
  readonly killedUntil: { readonly [clientId: string]: number };
}

/** One line of the tenant's index of sessions. */
export interface IndexedSession {
  readonly session_id: string;
  readonly client_id: string;
  readonly status: string;
  readonly created_at: number;
  readonly ended_at: number | null;
}

const MAX_LISTED_SESSIONS = 500;

/** One per tenant: configuration versions, signing keys, sealed secrets, index of sessions, kill epochs. */
export class Tenant extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #journal: Journal;
  readonly #feed: LedgerFeed;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS about (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS config (version INTEGER PRIMARY KEY, document TEXT NOT NULL, applied_at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS signing_key (kid TEXT PRIMARY KEY, use TEXT NOT NULL, public_jwk TEXT NOT NULL, sealed_private_jwk TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, sealed TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS killed (client_id TEXT PRIMARY KEY, until INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS session (
        session_id TEXT PRIMARY KEY, client_id TEXT NOT NULL, status TEXT NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER);
      CREATE INDEX IF NOT EXISTS session_by_client ON session (client_id, status);
      CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL);
    `);
    Journal.createTables(this.#sql);
    this.#journal = new Journal(this.#sql, "tenant");
    this.#feed = new LedgerFeed(env, "tenant", this.#journal);
  }

  /** The snapshot, or undefined when the caller's is still the newest. */
  snapshot(knownRevision?: number): TenantSnapshot | undefined {
    const revision = this.#revision();
    if (revision === knownRevision) return undefined;
    const [config] = this.#sql
      .exec<{ version: number; document: string }>("SELECT version, document FROM config ORDER BY version DESC LIMIT 1")
      .toArray();
    const keys = this.#sql
      .exec<{ kid: string; use: string; public_jwk: string; sealed_private_jwk: string }>(
        "SELECT kid, use, public_jwk, sealed_private_jwk FROM signing_key",
      )
      .toArray()
      .map((row) => ({ ...row, public_jwk: JSON.parse(row.public_jwk) }) as SealedSigningKey);
    const killed = this.#sql
      .exec<{ client_id: string; until: number }>("SELECT client_id, until FROM killed")
      .toArray();
    return {
      revision,
      configVersion: config?.version ?? 0,
      document: config?.document,
      keys,
      killedUntil: Object.fromEntries(killed.map((row) => [row.client_id, row.until])),
    };
  }

  /** Takes a new tenant's keys, unless another isolate was first. */
  adoptKeys(issuer: string, keys: readonly SealedSigningKey[]): void {
    this.ctx.storage.transactionSync(() => {
      if (this.#sql.exec("SELECT 1 FROM signing_key LIMIT 1").toArray().length > 0) return;
      this.#sql.exec("INSERT INTO about (id, issuer) VALUES (1, ?)", issuer);
      for (const key of keys) {
        this.#sql.exec(
          "INSERT INTO signing_key (kid, use, public_jwk, sealed_private_jwk) VALUES (?, ?, ?, ?)",
          key.kid,
          key.use,
          canonicalJson(key.public_jwk),
          key.sealed_private_jwk,
        );
        this.#journal.append("key.created", { kid: key.kid, use: key.use }, this.#now());
      }
      this.#bump();
    });
  }

  /** Stores a document that the caller has validated; answers its version. The same document again changes nothing. */
  async apply(document: string, digest: string): Promise<number> {
    const version = this.ctx.storage.transactionSync(() => {
      const [latest] = this.#sql
        .exec<{ version: number; document: string }>(
          "SELECT version, document FROM config ORDER BY version DESC LIMIT 1",
        )
        .toArray();
      if (latest?.document === document) return latest.version;
      const next = (latest?.version ?? 0) + 1;
      this.#sql.exec(
        "INSERT INTO config (version, document, applied_at) VALUES (?, ?, ?)",
        next,
        document,
        this.#now(),
      );
      this.#journal.append("config.applied", { version: next, digest }, this.#now());
      this.#bump();
      return next;
    });
    await this.#scheduleFeed();
    return version;
  }

  /** Keeps a sealed secret under its name; what was there before is gone. */
  async putSecret(name: string, sealed: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec(
        "INSERT INTO secret (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
        name,
        sealed,
      );
      this.#journal.append("secret.set", { name }, this.#now());
    });
    await this.#scheduleFeed();
  }

  sealedSecret(name: string): string | undefined {
    const [row] = this.#sql.exec<{ sealed: string }>("SELECT sealed FROM secret WHERE name = ?", name).toArray();
    return row?.sealed;
  }

  /**
   * Cuts an agent off: all it asked for until now is dead. Answers the sessions to be told at once;
   * those that are not reached refuse as soon as the isolates' snapshots are renewed.
   */
  async killAgent(clientId: string, reason: string | undefined): Promise<string[]> {
    const sessions = this.ctx.storage.transactionSync(() => {
      this.#sql.exec(
        "INSERT INTO killed (client_id, until) VALUES (?, ?) ON CONFLICT (client_id) DO UPDATE SET until = excluded.until",
        clientId,
        this.#now(),
      );
      this.#journal.append("agent.revoked", { client_id: clientId, reason }, this.#now());
      this.#bump();
      return this.#sql
        .exec<{ session_id: string }>(
          "SELECT session_id FROM session WHERE client_id = ? AND status <> 'ended'",
          clientId,
        )
        .toArray()
        .map((row) => row.session_id);
    });
    await this.#scheduleFeed();
    return sessions;
  }

  /** Records where a session stands. Told late or twice, it never moves a session back. */
  indexSession(row: IndexedSession): void {
    this.#sql.exec(
      `INSERT INTO session (session_id, client_id, status, created_at, ended_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (session_id) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at
       WHERE session.status <> 'ended' AND NOT (session.status = 'active' AND excluded.status = 'pending')`,
      row.session_id,
      row.client_id,
      row.status,
      row.created_at,
      row.ended_at,
    );
  }

  listSessions(): IndexedSession[] {
    return this.#sql
      .exec<{ session_id: string; client_id: string; status: string; created_at: number; ended_at: number | null }>(
        "SELECT session_id, client_id, status, created_at, ended_at FROM session ORDER BY created_at DESC LIMIT ?",
        MAX_LISTED_SESSIONS,
      )
      .toArray();
  }

  forgetSession(sessionId: string): void {
    this.#sql.exec("DELETE FROM session WHERE session_id = ?", sessionId);
  }

  override async alarm(): Promise<void> {
    await this.#feed.send(this.#issuer());
    await this.#scheduleFeed();
  }

  async #scheduleFeed(): Promise<void> {
    const delay = this.#feed.delayMs();
    if (delay !== undefined) await this.ctx.storage.setAlarm(Date.now() + delay);
  }

  #issuer(): string {
    return this.#sql.exec<{ issuer: string }>("SELECT issuer FROM about").one().issuer;
  }

  #revision(): number {
    return this.#sql.exec<{ n: number }>("SELECT n FROM revision").toArray()[0]?.n ?? 0;
  }

  #bump(): void {
    this.#sql.exec("INSERT INTO revision (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1");
  }

  #now(): number {
    return Math.max(Math.floor(Date.now() / 1000), this.#journal.head().at);
  }
}
