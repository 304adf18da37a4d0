import { DurableObject } from "cloudflare:workers";
import type { SealedSigningKey } from "../crypto/signing-key.ts";
import type { WrappedKey } from "../crypto/vault.ts";
import type { CutOff, CutOffs } from "../domain/cut-off.ts";
import type { Result } from "../domain/result.ts";
import { Journal } from "./journal.ts";
import { AbsenceStore } from "./absence-store.ts";
import { BacklogStore } from "./backlog-store.ts";
import { ConfigStore } from "./config-store.ts";
import { CutOffStore } from "./cut-off-store.ts";
import { SecretStore } from "./secret-store.ts";
import { SessionIndex, type IndexedSession } from "./session-index.ts";
import type { ConnectorFault, IssuedToken } from "../connectors/connector.ts";
import { createOutbound } from "../connectors/outbound.ts";
import { requireConfig } from "../config.ts";
import type { Absence } from "../domain/absence.ts";
import type { Admission } from "../domain/auditor.ts";
import type { TenantDocument } from "../domain/tenant.ts";
import type { OAuth2RefreshUpstream } from "../domain/upstream.ts";
import { readSecret, sealSecret } from "../tenancy.ts";
import { Connections, type ConnectionRow } from "./connections.ts";
import { GlassStore, type ClaimFault, type GlassClaim, type GlassUse, type ReviewFault } from "./glass-store.ts";
import { arm } from "./arm.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { KeyStore } from "./key-store.ts";
import { leaversOf } from "../domain/leavers.ts";
import { Outbox } from "./outbox.ts";
import type { Words } from "./tell.ts";
import { TenantKeyStore, type ResealedRow, type SealedRow } from "./tenant-key-store.ts";
import { runTenantJob } from "./tenant-jobs.ts";
import { digestOf, sha256 } from "../crypto/hash.ts";
import { ServerPins, type Proposal } from "./server-pins.ts";
import type { KnownDefinitions, ShownTool, SignedDefinitions } from "../domain/tool-definitions.ts";
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
  readonly servers: { readonly [server: string]: KnownDefinitions };
}

/** What an isolate that has not heard of a new document may still let in: what it knows is at most this old. */
const HEARSAY_SECONDS = 5;
const LEFT = "taken out of the tenant's document";
/** Jobs tried in one alarm. */
const MAX_JOBS = 6;

/** One per tenant: configuration versions, signing keys, sealed secrets, index of sessions, kill epochs. */
export class Tenant extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #journal: Journal;
  readonly #feed: LedgerFeed;
  readonly #documents: RemoteDocuments;
  readonly #connections: Connections;
  readonly #config = new ConfigStore(this.#sql);
  readonly #secrets = new SecretStore(this.#sql);
  readonly #cutOffs = new CutOffStore(this.#sql);
  readonly #sessions = new SessionIndex(this.#sql);
  readonly #absences = new AbsenceStore(this.#sql);
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
      CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL);
    `);
    ConfigStore.createTables(this.#sql);
    SecretStore.createTables(this.#sql);
    CutOffStore.createTables(this.#sql);
    SessionIndex.createTables(this.#sql);
    AbsenceStore.createTables(this.#sql);
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
      sealedSecret: (name) => this.#secrets.get(name),
      writeSecret: (name, sealed) => this.#secrets.put(name, sealed),
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
    const config = this.#config.latest();
    const keys = this.#keys.all();
    return {
      revision,
      configVersion: config?.version ?? 0,
      document: config?.document,
      keys,
      tenantKeys: this.#tenantKeys.all(),
      cutOffs: this.#cutOffs.all(),
      isLedgerBehind,
      absences: this.#absences.all(),
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
    await this.#change(() => {
      const now = this.#now();
      for (const key of rewrapped) this.#tenantKeys.rewrap(key);
      if (this.#tenantKeys.add(next)) {
        this.#journal.append("data_key.created", { version: next.version, kek, rewrapped: rewrapped.length }, now);
      }
      this.#bump();
    });
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
    await this.#change(() => {
      this.#keys.removeOutlived(this.#now());
      for (const key of keys) {
        this.#addKey(key);
        this.#keys.succeed(key, this.#config.longestSessionSeconds());
      }
      this.#bump();
    });
  }

  /**
   * Takes a key out of use at once, and all that it signed with it.
   *
   * @param successor signs in its place from now on
   */
  async retireKey(kid: string, successor: SealedSigningKey): Promise<boolean> {
    return this.#change(() => {
      const use = this.#keys.remove(kid);
      if (use === undefined) return false;
      this.#journal.append("key.retired", { kid, use }, this.#now());
      this.#addKey(successor);
      this.#bump();
      return true;
    });
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
    return this.#change(() => {
      const latest = this.#config.latest();
      if (latest?.document === document) return { version: latest.version, sessions: [] };
      const version = (latest?.version ?? 0) + 1;
      this.#config.add({ version, document }, longestSessionSeconds, this.#now());
      this.#journal.append("config.applied", { version, digest }, this.#now());
      const sessions = this.#cutOffLeavers(latest?.document ?? "{}", document);
      this.#bump();
      return { version, sessions };
    });
  }

  /**
   * Lets somebody stand in for a person who is away, and tells both.
   *
   * @param by that person, or the operator
   */
  async setAway(person: string, absence: Absence, words: Words, by: string): Promise<void> {
    await this.#change(() => {
      this.#absences.put(person, absence, this.#now());
      this.#journal.append("person.away", { person, ...absence, by }, this.#now());
      this.#bump();
      this.#tell([person, absence.delegate], words, `away:${this.#revision()}`);
    });
  }

  /** Ends an absence that {@link setAway} began; answers whether there was one. */
  async endAway(person: string, by: string): Promise<boolean> {
    return this.#change(() => {
      if (!this.#absences.remove(person)) return false;
      this.#journal.append("person.back", { person, by }, this.#now());
      this.#bump();
      return true;
    });
  }

  /** Writes down that somebody may read what happened here, and until when. */
  async admitAuditor({ person, expires_at }: Admission): Promise<void> {
    await this.#change(() => this.#journal.append("auditor.admitted", { person, until: expires_at }, this.#now()));
  }

  /** Writes down that an admin breaks the glass, or says why this one cannot. */
  async claimGlass(claim: GlassClaim): Promise<Result<{ isNew: boolean }, ClaimFault>> {
    return this.#change(() => {
      const result = this.#glass.claim(claim);
      const { session_id, client_id, person, reason, review_by } = claim;
      if (result.ok && result.value.isNew)
        this.#journal.append("glass.claimed", { session_id, client_id, person, reason, review_by }, this.#now());
      return result;
    });
  }

  async reviewGlass(sessionId: string, person: string, comment: string): Promise<Result<GlassUse, ReviewFault>> {
    return this.#change(() => {
      const result = this.#glass.review(sessionId, person, comment, this.#now());
      if (result.ok)
        this.#journal.append(
          "glass.reviewed",
          { session_id: sessionId, person, of: result.value.person, comment },
          this.#now(),
        );
      return result;
    });
  }

  glassUse(sessionId: string): GlassUse | undefined {
    return this.#glass.get(sessionId);
  }

  glassUses(): GlassUse[] {
    return this.#glass.list();
  }

  /** Keeps a sealed secret under its name; what was there before is gone. */
  async putSecret(name: string, sealed: string): Promise<void> {
    await this.#change(() => {
      this.#secrets.put(name, sealed);
      this.#connections.forget(name);
      this.#journal.append("secret.set", { name }, this.#now());
    });
  }

  /** Forgets a sealed secret; answers whether there was one. */
  async removeSecret(name: string): Promise<boolean> {
    return this.#change(() => {
      if (!this.#secrets.remove(name)) return false;
      this.#connections.forget(name);
      this.#journal.append("secret.removed", { name }, this.#now());
      return true;
    });
  }

  /** The names of what is sealed. */
  sealedSecrets(): string[] {
    return this.#secrets.names();
  }

  sealedSecret(name: string): string | undefined {
    return this.#secrets.get(name);
  }

  /** Who was ever cut off, as it is at this moment. */
  cutOffs(): CutOffs {
    return this.#cutOffs.all();
  }

  /**
   * Cuts off an agent, what a person approved, or the whole tenant: all that was begun until now is
   * dead. Answers the sessions to be told at once; those that are not reached refuse as soon as the
   * isolates' snapshots are renewed.
   */
  async cutOff(cutOff: CutOff, reason: string | undefined): Promise<string[]> {
    return this.#change(() => {
      this.#cutOffs.put(cutOff, this.#now());
      const id = cutOff.kind === "tenant" ? undefined : cutOff.id;
      this.#journal.append(`${cutOff.kind}.revoked`, { id, reason }, this.#now());
      this.#bump();
      return this.#sessions.hitBy(cutOff);
    });
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
    await this.#change(() => {
      if (this.#flags.raise(upstream, this.#now()))
        this.#journal.append("upstream.flagged", { upstream, reason: "credential_echoed" }, this.#now());
    });
  }

  flaggedUpstreams(): UpstreamFlag[] {
    return this.#flags.all();
  }

  async clearUpstream(upstream: string): Promise<boolean> {
    return this.#change(() => {
      if (!this.#flags.clear(upstream)) return false;
      this.#journal.append("upstream.cleared", { upstream }, this.#now());
      return true;
    });
  }

  /**
   * Keeps a server from its tokens until its owner has looked at what it shows.
   *
   * @param unproved why its own signature did not do, where that was asked for
   */
  async proposeDefinitions(server: string, shown: readonly ShownTool[], unproved?: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      const digest = this.#pins.propose(server, shown, this.#now());
      if (digest === undefined) return;
      this.#journal.append(
        "server.definitions_differ",
        { server, digest, tools: shown.map(({ name }) => name), unproved },
        this.#now(),
      );
      this.#bump();
    });
    await this.#arm();
  }

  /** Accepts what a server signed, and shows; false for a statement that is older than one it made before. */
  async acceptSigned(server: string, signed: SignedDefinitions, shown: readonly ShownTool[]): Promise<boolean> {
    const accepted = this.ctx.storage.transactionSync(() => {
      const how = this.#pins.acceptSigned(server, signed, shown);
      if (how !== "new") return how;
      const { tools, issued_at, expires_at, key } = signed;
      this.#journal.append(
        "server.definitions_signed",
        { server, digest: digestOf(tools), tools: Object.keys(tools), issued_at, expires_at, key: sha256(key) },
        this.#now(),
      );
      this.#bump();
      return how;
    });
    await this.#arm();
    return accepted !== "older";
  }

  /** What waits for the owners of servers. */
  proposedDefinitions(): Proposal[] {
    return this.#pins.waiting();
  }

  /**
   * Decides a difference, which its digest names exactly; answers whether it was the one that waits.
   *
   * @param lapsed whether what the server signed counts no more
   */
  async decideDefinitions(
    server: string,
    digest: string,
    decision: "accepted" | "dismissed",
    lapsed: boolean,
  ): Promise<boolean> {
    const isDecided = this.ctx.storage.transactionSync(() => {
      const found =
        decision === "accepted"
          ? this.#pins.accept(server, digest, lapsed, this.#now()) !== undefined
          : this.#pins.dismiss(server, digest);
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
    this.#sessions.put(row);
  }

  listSessions(): IndexedSession[] {
    return this.#sessions.list();
  }

  /** The sessions at work that somebody approved, the newest first. */
  activeSessionsOf(person: string): string[] {
    return this.#sessions.activeOf(person);
  }

  forgetSession(sessionId: string): void {
    this.#sessions.remove(sessionId);
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

  /** One transaction, and whatever it made due. */
  async #change<T>(work: () => T): Promise<T> {
    const result = this.ctx.storage.transactionSync(work);
    await this.#arm();
    return result;
  }

  /** Sets the alarm for whatever comes next. */
  async #arm(): Promise<void> {
    const delay = this.#feed.delayMs();
    await arm(this.ctx.storage, [this.#outbox.nextAt(), delay === undefined ? undefined : Date.now() + delay]);
  }

  #tell(people: readonly string[], words: Words, about: string): void {
    for (const person of people)
      for (const channel of ["slack", "email"] as const)
        this.#outbox.put(`${about}:${channel}:${person}`, "tell", { channel, person, ...words }, Date.now());
  }

  #issuer(): string {
    return this.#sql.exec<{ issuer: string }>("SELECT issuer FROM about").one().issuer;
  }

  #addKey(key: SealedSigningKey): void {
    this.#keys.add(key);
    this.#journal.append("key.created", { kid: key.kid, use: key.use }, this.#now());
  }

  #revision(): number {
    return this.#sql.exec<{ n: number }>("SELECT n FROM revision").toArray()[0]?.n ?? 0;
  }

  /** Cuts off the agents that a new document no longer knows; answers the sessions to be told. */
  #cutOffLeavers(before: string, after: string): string[] {
    const [known, knownNow] = [before, after].map((text) => JSON.parse(text) as Partial<TenantDocument>);
    return leaversOf(known!, knownNow!, (host) => this.#sessions.clientsOn(host)).flatMap((id) => {
      this.#cutOffs.put({ kind: "agent", id }, this.#now() + HEARSAY_SECONDS);
      this.#journal.append("agent.revoked", { id, reason: LEFT }, this.#now());
      return this.#sessions.hitBy({ kind: "agent", id });
    });
  }

  #bump(): void {
    this.#sql.exec("INSERT INTO revision (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1");
  }

  #now(): number {
    return Math.max(Math.floor(Date.now() / 1000), this.#journal.head().at);
  }
}
