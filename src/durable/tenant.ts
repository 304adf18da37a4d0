import { DurableObject } from "cloudflare:workers";
import type { SealedSigningKey } from "../crypto/signing-key.ts";
import type { WrappedKey } from "../crypto/vault.ts";
import { cutOffKey, type CutOff, type CutOffs } from "../domain/cut-off.ts";
import type { Result } from "../domain/result.ts";
import { Journal } from "./journal.ts";
import { addColumn } from "./add-column.ts";
import { BacklogStore } from "./backlog-store.ts";
import type { ConnectorFault, IssuedToken } from "../connectors/connector.ts";
import { createOutbound } from "../connectors/outbound.ts";
import { requireConfig } from "../config.ts";
import type { Absence } from "../domain/absence.ts";
import type { TenantDocument } from "../domain/tenant.ts";
import type { OAuth2RefreshUpstream } from "../domain/upstream.ts";
import { readSecret, sealSecret } from "../tenancy.ts";
import { Connections, type ConnectionRow } from "./connections.ts";
import { GlassStore, type ClaimFault, type GlassClaim, type GlassUse, type ReviewFault } from "./glass-store.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { KeyStore } from "./key-store.ts";
import { cutOffLeavers } from "./leavers.ts";
import { Outbox } from "./outbox.ts";
import type { Words } from "./tell.ts";
import { TenantKeyStore, type ResealedRow, type SealedRow } from "./tenant-key-store.ts";
import { runTenantJob } from "./tenant-jobs.ts";
import { ServerPins, type Proposal } from "./server-pins.ts";
import type { ServerDefinitions, ShownTool } from "../domain/tool-definitions.ts";
import { UpstreamFlags, type UpstreamFlag } from "./upstream-flags.ts";
import { RemoteDocuments, type RemoteFault } from "./remote-documents.ts";

/** What an isolate needs to serve a tenant; cached there for a few seconds. */
export interface TenantSnapshot {
  /** Another one with every change of anything in here. */
  readonly revision: number;
  readonly configVersion: number;
  /** The tenant's document as canonical JSON; undefined until one is applied. */
  readonly document: string | undefined;
  readonly keys: readonly SealedSigningKey[];
  readonly tenantKeys: readonly WrappedKey[];
  readonly cutOffs: CutOffs;
  /** Whether so much waits for the ledger that nothing may be minted. */
  readonly isLedgerBehind: boolean;
  /** Who is away by the operator's word, beside what the document says. */
  readonly absences: { readonly [person: string]: Absence };
  /** What is known of the tool definitions of each server. */
  readonly servers: { readonly [server: string]: ServerDefinitions };
}

/** One line of the tenant's index of sessions. */
export interface IndexedSession {
  readonly session_id: string;
  readonly client_id: string;
  readonly status: string;
  readonly created_at: number;
  readonly ended_at: number | null;
  /** Who approved it. */
  readonly approved_by: readonly string[];
}

const MAX_LISTED_SESSIONS = 500;
/** Jobs tried in one alarm. */
const MAX_JOBS = 6;

/** One per tenant: configuration versions, signing keys, sealed secrets, index of sessions, kill epochs. */
export class Tenant extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #journal: Journal;
  readonly #feed: LedgerFeed;
  readonly #documents: RemoteDocuments;
  readonly #connections: Connections;
  readonly #keys = new KeyStore(this.#sql);
  readonly #tenantKeys = new TenantKeyStore(this.#sql);
  readonly #flags = new UpstreamFlags(this.#sql);
  readonly #outbox = new Outbox(this.#sql);
  readonly #glass = new GlassStore(this.#sql);
  readonly #pins = new ServerPins(this.#sql);
  readonly #backlog = new BacklogStore(this.#sql);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS about (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS config (version INTEGER PRIMARY KEY, document TEXT NOT NULL, applied_at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, sealed TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS killed (client_id TEXT PRIMARY KEY, until INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS session (
        session_id TEXT PRIMARY KEY, client_id TEXT NOT NULL, status TEXT NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER);
      CREATE INDEX IF NOT EXISTS session_by_client ON session (client_id, status);
      CREATE TABLE IF NOT EXISTS away (person TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL, delegate TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL);
    `);
    addColumn(this.#sql, "session", "approved_by", "TEXT NOT NULL DEFAULT ''");
    addColumn(this.#sql, "config", "longest_session_seconds", "INTEGER NOT NULL DEFAULT 0");
    KeyStore.createTables(this.#sql);
    TenantKeyStore.createTables(this.#sql);
    UpstreamFlags.createTables(this.#sql);
    Outbox.createTables(this.#sql);
    GlassStore.createTables(this.#sql);
    ServerPins.createTables(this.#sql);
    BacklogStore.createTables(this.#sql);
    Journal.createTables(this.#sql);
    this.#journal = new Journal(this.#sql, "tenant");
    this.#feed = new LedgerFeed(env, "tenant", this.#journal);
    Connections.createTables(this.#sql);
    const { allowPrivateNetwork, origins } = requireConfig(env);
    const outbound = createOutbound({ allowPrivateNetwork, ownOrigins: origins });
    this.#documents = new RemoteDocuments(outbound);
    this.#connections = new Connections({
      storage: ctx.storage,
      outbound,
      seal: (name, token) => sealSecret(env, this.#issuer(), name, token),
      readSecret: (name) => readSecret(env, this.#issuer(), name),
      sealedSecret: (name) => this.sealedSecret(name),
      writeSecret: (name, sealed) => this.#writeSecret(name, sealed),
      record: (type, data) => this.#journal.append(type, data, this.#now()),
      now: () => this.#now(),
    });
  }

  /** The snapshot, or undefined when the caller's is still the newest. */
  snapshot(knownRevision?: number): TenantSnapshot | undefined {
    const isLedgerBehind = this.#backlog.isOverQuota(this.#now());
    // Time alone ends a report, which is no write: what it says is a part of the number.
    const revision = this.#revision() * 2 + Number(isLedgerBehind);
    if (revision === knownRevision) return undefined;
    const [config] = this.#sql
      .exec<{ version: number; document: string }>("SELECT version, document FROM config ORDER BY version DESC LIMIT 1")
      .toArray();
    const keys = this.#keys.all();
    return {
      revision,
      configVersion: config?.version ?? 0,
      document: config?.document,
      keys,
      tenantKeys: this.#tenantKeys.all(),
      cutOffs: this.cutOffs(),
      isLedgerBehind,
      absences: Object.fromEntries(
        this.#sql
          .exec<{ person: string; from: number; until: number; delegate: string }>(
            `SELECT person, since AS "from", until, delegate FROM away`,
          )
          .toArray()
          .map(({ person, ...absence }) => [person, absence]),
      ),
      servers: this.#pins.all(),
    };
  }

  /** Takes the first keys of their uses, unless another isolate was first. */
  adoptKeys(issuer: string, keys: readonly SealedSigningKey[]): void {
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec("INSERT INTO about (id, issuer) VALUES (1, ?) ON CONFLICT DO NOTHING", issuer);
      for (const key of keys.filter(({ use }) => !this.#keys.has(use))) this.#addKey(key);
      this.#bump();
    });
  }

  /** Takes the tenant's own first keys, unless another isolate was first. */
  adoptTenantKeys(keys: readonly WrappedKey[]): void {
    this.ctx.storage.transactionSync(() => {
      for (const key of keys.filter(({ purpose }) => !this.#tenantKeys.has(purpose))) this.#tenantKeys.add(key);
      this.#bump();
    });
  }

  /**
   * Seals with a new key from now on, and keeps all of them wrapped as they are given here. One
   * transaction: a crash leaves either the old wrapping or the new, and both open meanwhile.
   *
   * @param kek the public name of the key that wraps them
   */
  async renewTenantKeys(next: WrappedKey, rewrapped: readonly WrappedKey[], kek: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      const now = this.#now();
      for (const key of rewrapped) this.#tenantKeys.rewrap(key);
      if (this.#tenantKeys.add(next)) {
        this.#journal.append("data_key.created", { version: next.version, kek, rewrapped: rewrapped.length }, now);
      }
      this.#bump();
    });
    await this.#arm();
  }

  /** What is still sealed under another key than this version. */
  sealedUnderOthers(version: number): SealedRow[] {
    return this.#tenantKeys.sealedUnderOthers(version);
  }

  /** Puts values in the place of the same under older keys. */
  reseal(rows: readonly ResealedRow[]): void {
    this.ctx.storage.transactionSync(() => {
      for (const row of rows) this.#tenantKeys.reseal(row);
      this.#bump();
    });
  }

  /** Lets new keys take over when they begin to sign; the old ones verify on for as long as they must. */
  async rotateKeys(keys: readonly SealedSigningKey[]): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#keys.removeOutlived(this.#now());
      for (const key of keys) {
        this.#addKey(key);
        this.#keys.succeed(key, this.#longestSessionSeconds());
      }
      this.#bump();
    });
    await this.#arm();
  }

  /**
   * Takes a key out of use at once, and all that it signed with it.
   *
   * @param successor signs in its place from now on
   */
  async retireKey(kid: string, successor: SealedSigningKey): Promise<boolean> {
    const removed = this.ctx.storage.transactionSync(() => {
      const use = this.#keys.remove(kid);
      if (use === undefined) return false;
      this.#journal.append("key.retired", { kid, use }, this.#now());
      this.#addKey(successor);
      this.#bump();
      return true;
    });
    await this.#arm();
    return removed;
  }

  /**
   * Stores a document that the caller has validated; answers its version, and the sessions to be told
   * that their agent is no longer in it. The same document again changes nothing.
   *
   * @param longestSessionSeconds what its policies allow at most: how long an old key may be needed
   */
  async apply(
    document: string,
    digest: string,
    longestSessionSeconds: number,
  ): Promise<{ version: number; sessions: string[] }> {
    const applied = this.ctx.storage.transactionSync(() => {
      const [latest] = this.#sql
        .exec<{ version: number; document: string }>(
          "SELECT version, document FROM config ORDER BY version DESC LIMIT 1",
        )
        .toArray();
      if (latest?.document === document) return { version: latest.version, sessions: [] };
      const version = (latest?.version ?? 0) + 1;
      this.#sql.exec(
        "INSERT INTO config (version, document, applied_at, longest_session_seconds) VALUES (?, ?, ?, ?)",
        version,
        document,
        this.#now(),
        longestSessionSeconds,
      );
      this.#journal.append("config.applied", { version, digest }, this.#now());
      const [before, after] = [latest?.document ?? "{}", document].map((text) => JSON.parse(text) as TenantDocument);
      const sessions = cutOffLeavers(this.#sql, this.#journal, before!, after!, this.#now());
      this.#bump();
      return { version, sessions };
    });
    await this.#arm();
    return applied;
  }

  /**
   * Lets somebody stand in for a person who is away, and tells both.
   *
   * @param by that person, or the operator
   */
  async setAway(person: string, { from, until, delegate }: Absence, words: Words, by: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec("DELETE FROM away WHERE until <= ?", this.#now());
      this.#sql.exec(
        `INSERT INTO away (person, since, until, delegate) VALUES (?, ?, ?, ?)
         ON CONFLICT (person) DO UPDATE SET since = excluded.since, until = excluded.until, delegate = excluded.delegate`,
        person,
        from,
        until,
        delegate,
      );
      this.#journal.append("person.away", { person, delegate, from, until, by }, this.#now());
      this.#bump();
      this.#tell([person, delegate], words, `away:${this.#revision()}`);
    });
    await this.#arm();
  }

  /** Ends an absence that {@link setAway} began; answers whether there was one. */
  async endAway(person: string, by: string): Promise<boolean> {
    const wasAway = this.ctx.storage.transactionSync(() => {
      const [gone] = this.#sql.exec("DELETE FROM away WHERE person = ? RETURNING 1", person).toArray();
      if (gone === undefined) return false;
      this.#journal.append("person.back", { person, by }, this.#now());
      this.#bump();
      return true;
    });
    await this.#arm();
    return wasAway;
  }

  /** Writes down that an admin breaks the glass, or says why this one cannot. */
  async claimGlass(claim: GlassClaim): Promise<Result<{ isNew: boolean }, ClaimFault>> {
    const claimed = this.ctx.storage.transactionSync(() => {
      const result = this.#glass.claim(claim);
      const { session_id, client_id, person, reason, review_by } = claim;
      if (result.ok && result.value.isNew)
        this.#journal.append("glass.claimed", { session_id, client_id, person, reason, review_by }, this.#now());
      return result;
    });
    await this.#arm();
    return claimed;
  }

  async reviewGlass(sessionId: string, person: string, comment: string): Promise<Result<GlassUse, ReviewFault>> {
    const reviewed = this.ctx.storage.transactionSync(() => {
      const result = this.#glass.review(sessionId, person, comment, this.#now());
      if (result.ok)
        this.#journal.append(
          "glass.reviewed",
          { session_id: sessionId, person, of: result.value.person, comment },
          this.#now(),
        );
      return result;
    });
    await this.#arm();
    return reviewed;
  }

  glassUse(sessionId: string): GlassUse | undefined {
    return this.#glass.get(sessionId);
  }

  glassUses(): GlassUse[] {
    return this.#glass.list();
  }

  /** Keeps a sealed secret under its name; what was there before is gone. */
  async putSecret(name: string, sealed: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#writeSecret(name, sealed);
      this.#connections.forget(name);
      this.#journal.append("secret.set", { name }, this.#now());
    });
    await this.#arm();
  }

  sealedSecret(name: string): string | undefined {
    const [row] = this.#sql.exec<{ sealed: string }>("SELECT sealed FROM secret WHERE name = ?", name).toArray();
    return row?.sealed;
  }

  /** Who was ever cut off, as it is at this moment. */
  cutOffs(): CutOffs {
    const killed = this.#sql.exec<{ client_id: string; until: number }>("SELECT client_id, until FROM killed");
    return Object.fromEntries(killed.toArray().map((row) => [row.client_id, row.until]));
  }

  /**
   * Cuts off an agent, what a person approved, or the whole tenant: all that was begun until now is
   * dead. Answers the sessions to be told at once; those that are not reached refuse as soon as the
   * isolates' snapshots are renewed.
   */
  async cutOff(cutOff: CutOff, reason: string | undefined): Promise<string[]> {
    const sessions = this.ctx.storage.transactionSync(() => {
      this.#sql.exec(
        "INSERT INTO killed (client_id, until) VALUES (?, ?) ON CONFLICT (client_id) DO UPDATE SET until = excluded.until",
        cutOffKey(cutOff),
        this.#now(),
      );
      const id = cutOff.kind === "tenant" ? undefined : cutOff.id;
      this.#journal.append(`${cutOff.kind}.revoked`, { id, reason }, this.#now());
      this.#bump();
      return this.#sql
        .exec<{ session_id: string }>(
          `SELECT session_id FROM session WHERE status <> 'ended'
           AND (?1 = 'tenant' OR (?1 = 'agent' AND client_id = ?2) OR (?1 = 'approver' AND instr(approved_by, ?3) > 0))`,
          cutOff.kind,
          id ?? "",
          ` ${id ?? ""} `,
        )
        .toArray()
        .map((row) => row.session_id);
    });
    await this.#arm();
    return sessions;
  }

  /** An access token by the refresh token of an upstream, which nobody else uses at the same time. */
  async refreshAccess(upstream: OAuth2RefreshUpstream, scope: string): Promise<Result<IssuedToken, ConnectorFault>> {
    const issued = await this.#connections.refresh(upstream, scope);
    await this.#arm();
    return issued;
  }

  /** The connections that wait for an answer or are broken; all others are ready. */
  connections(): ConnectionRow[] {
    return this.#connections.rows();
  }

  /** Lets a broken connection's last known refresh token be tried once more. */
  async retryConnection(secret: string): Promise<boolean> {
    const isRetried = this.#connections.retry(secret);
    await this.#arm();
    return isRetried;
  }

  /** Marks an upstream that showed the credential it was given. */
  async flagUpstream(upstream: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      if (this.#flags.raise(upstream, this.#now()))
        this.#journal.append("upstream.flagged", { upstream, reason: "credential_echoed" }, this.#now());
    });
    await this.#arm();
  }

  flaggedUpstreams(): UpstreamFlag[] {
    return this.#flags.all();
  }

  async clearUpstream(upstream: string): Promise<boolean> {
    const cleared = this.ctx.storage.transactionSync(() => {
      if (!this.#flags.clear(upstream)) return false;
      this.#journal.append("upstream.cleared", { upstream }, this.#now());
      return true;
    });
    await this.#arm();
    return cleared;
  }

  /** Keeps a server from its tokens until its owner has looked at what it shows. */
  async proposeDefinitions(server: string, shown: readonly ShownTool[]): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      const digest = this.#pins.propose(server, shown, this.#now());
      if (digest === undefined) return;
      this.#journal.append(
        "server.definitions_differ",
        { server, digest, tools: shown.map(({ name }) => name) },
        this.#now(),
      );
      this.#bump();
    });
    await this.#arm();
  }

  /** What waits for the owners of servers. */
  proposedDefinitions(): Proposal[] {
    return this.#pins.waiting();
  }

  /** Decides a difference, which its digest names exactly; answers whether it was the one that waits. */
  async decideDefinitions(server: string, digest: string, decision: "accepted" | "dismissed"): Promise<boolean> {
    const isDecided = this.ctx.storage.transactionSync(() => {
      const found =
        decision === "accepted" ? this.#pins.accept(server, digest) !== undefined : this.#pins.dismiss(server, digest);
      if (!found) return false;
      this.#journal.append(`server.definitions_${decision}`, { server, digest }, this.#now());
      this.#bump();
      return true;
    });
    await this.#arm();
    return isDecided;
  }

  /** An object says how many rows of its journal wait for a ledger that does not take them. */
  reportBacklog(source: string, rows: number): void {
    this.#backlog.report(source, rows, this.#now());
  }

  /** A document that a client or an identity provider publishes, as text. */
  remoteDocument(url: string, maxBytes: number, isConfigured: boolean): Promise<Result<string, RemoteFault>> {
    return this.#documents.read(url, maxBytes, isConfigured);
  }

  dropRemoteDocument(url: string): void {
    this.#documents.drop(url);
  }

  /** Records where a session stands. Told late or twice, it never moves a session back. */
  indexSession(row: IndexedSession): void {
    this.#sql.exec(
      `INSERT INTO session (session_id, client_id, status, created_at, ended_at, approved_by) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (session_id) DO UPDATE
       SET status = excluded.status, ended_at = excluded.ended_at, approved_by = excluded.approved_by
       WHERE session.status <> 'ended' AND NOT (session.status = 'active' AND excluded.status = 'pending')`,
      row.session_id,
      row.client_id,
      row.status,
      row.created_at,
      row.ended_at,
      row.approved_by.map((person) => ` ${person} `).join(""),
    );
  }

  listSessions(): IndexedSession[] {
    return this.#sql
      .exec<{
        session_id: string;
        client_id: string;
        status: string;
        created_at: number;
        ended_at: number | null;
        approved_by: string;
      }>(
        "SELECT session_id, client_id, status, created_at, ended_at, approved_by FROM session ORDER BY created_at DESC LIMIT ?",
        MAX_LISTED_SESSIONS,
      )
      .toArray()
      .map((row) => ({ ...row, approved_by: row.approved_by.split(" ").filter((person) => person !== "") }));
  }

  /** The sessions at work that somebody approved, the newest first. */
  activeSessionsOf(person: string): string[] {
    return this.#sql
      .exec<{ session_id: string }>(
        `SELECT session_id FROM session WHERE status = 'active' AND instr(approved_by, ?) > 0
         ORDER BY created_at DESC LIMIT ?`,
        ` ${person} `,
        MAX_LISTED_SESSIONS,
      )
      .toArray()
      .map((row) => row.session_id);
  }

  forgetSession(sessionId: string): void {
    this.#sql.exec("DELETE FROM session WHERE session_id = ?", sessionId);
  }

  override async alarm(): Promise<void> {
    const issuer = this.#issuer();
    for (const job of this.#outbox.due(Date.now(), MAX_JOBS)) {
      const outcome = await runTenantJob(job, { env: this.env, issuer });
      this.ctx.storage.transactionSync(() => this.#outbox.settle(job, outcome, Date.now()));
    }
    await this.#feed.send(issuer);
    await this.#arm();
  }

  /** Sets the alarm for whatever comes next. */
  async #arm(): Promise<void> {
    const delay = this.#feed.delayMs();
    const candidates = [this.#outbox.nextAt(), delay === undefined ? undefined : Date.now() + delay].filter(
      (at) => at !== undefined,
    );
    if (candidates.length > 0) await this.ctx.storage.setAlarm(Math.min(...candidates));
  }

  #tell(people: readonly string[], words: Words, about: string): void {
    for (const person of people)
      for (const channel of ["slack", "email"] as const)
        this.#outbox.put(`${about}:${channel}:${person}`, "tell", { channel, person, ...words }, Date.now());
  }

  #issuer(): string {
    return this.#sql.exec<{ issuer: string }>("SELECT issuer FROM about").one().issuer;
  }

  /** What any document that was ever applied allowed at most. */
  #longestSessionSeconds(): number {
    const { longest } = this.#sql
      .exec<{ longest: number | null }>("SELECT max(longest_session_seconds) AS longest FROM config")
      .one();
    return longest ?? 0;
  }

  #writeSecret(name: string, sealed: string): void {
    this.#sql.exec(
      "INSERT INTO secret (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
      name,
      sealed,
    );
  }

  #addKey(key: SealedSigningKey): void {
    this.#keys.add(key);
    this.#journal.append("key.created", { kid: key.kid, use: key.use }, this.#now());
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
