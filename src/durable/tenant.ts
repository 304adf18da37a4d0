import { DurableObject } from "cloudflare:workers";
import { requireConfig } from "../config.ts";
import type { ConnectorFault, IssuedToken } from "../connectors/connector.ts";
import { createOutbound } from "../connectors/outbound.ts";
import type { SealedSigningKey } from "../crypto/signing-key.ts";
import type { WrappedKey } from "../crypto/vault.ts";
import type { Absence } from "../domain/absence.ts";
import type { Admission } from "../domain/auditor.ts";
import type { GlassUse } from "../domain/break-glass.ts";
import type { CutOff, CutOffs } from "../domain/cut-off.ts";
import type { Result } from "../domain/result.ts";
import type { ShownTool, SignedDefinitions } from "../domain/tool-definitions.ts";
import type { OAuth2RefreshUpstream } from "../domain/upstream.ts";
import { readSecret, sealSecret } from "../tenancy.ts";
import { arm } from "./arm.ts";
import { Configuration, type AppliedDocument } from "./configuration.ts";
import { Connections, type ConnectionRow } from "./connections.ts";
import type { ClaimFault, GlassClaim, ReviewFault } from "./glass-store.ts";
import { Keyring } from "./keyring.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { RemoteDocuments, type RemoteFault } from "./remote-documents.ts";
import type { Proposal } from "./server-pins.ts";
import type { IndexedSession } from "./session-index.ts";
import type { Words } from "./tell.ts";
import { TenantBooks } from "./tenant-books.ts";
import { runTenantJob } from "./tenant-jobs.ts";
import type { ResealedRow, SealedRow } from "./tenant-key-store.ts";
import { takeSnapshot, type TenantSnapshot } from "./tenant-snapshot.ts";
import { ToolAcceptance } from "./tool-acceptance.ts";
import type { UpstreamFlag } from "./upstream-flags.ts";

/** Jobs tried in one alarm. */
const MAX_JOBS = 6;

/** One per tenant: configuration versions, signing keys, sealed secrets, index of sessions, kill epochs. */
export class Tenant extends DurableObject<Env> {
  readonly #books = new TenantBooks(this.ctx.storage);
  readonly #configuration = new Configuration(this.#books);
  readonly #keyring = new Keyring(this.#books);
  readonly #tools = new ToolAcceptance(this.#books);
  readonly #feed = new LedgerFeed(this.env, "tenant", this.#books.journal);
  readonly #documents: RemoteDocuments;
  readonly #connections: Connections;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    Connections.createTables(ctx.storage.sql);
    const { allowPrivateNetwork, origins } = requireConfig(env);
    const outbound = createOutbound({ allowPrivateNetwork, ownOrigins: origins });
    const books = this.#books;
    this.#documents = new RemoteDocuments(outbound);
    this.#connections = new Connections({
      storage: ctx.storage,
      outbound,
      seal: (name, token) => sealSecret(env, books.issuer(), name, token),
      readSecret: (name) => readSecret(env, books.issuer(), name),
      sealedSecret: (name) => books.secrets.get(name),
      writeSecret: (name, sealed) => books.secrets.put(name, sealed),
      record: (type, data) => books.record(type, data),
      now: () => books.now(),
    });
  }

  /** The snapshot, or undefined when the caller's is still the newest. */
  snapshot(knownRevision?: number): TenantSnapshot | undefined {
    return takeSnapshot(this.#books, knownRevision);
  }

  // Its document.

  /**
   * Stores a document that the caller has validated; answers its version, and the sessions to be told
   * that their agent is no longer in it. The same document again changes nothing.
   *
   * @param longestSessionSeconds what its policies allow at most: how long an old key may be needed
   */
  async apply(document: string, digest: string, longestSessionSeconds: number): Promise<AppliedDocument> {
    return this.#change(() => this.#configuration.apply(document, digest, longestSessionSeconds));
  }

  // Its keys.

  /** Takes the first keys of their uses, unless another isolate was first. */
  adoptKeys(issuer: string, keys: readonly SealedSigningKey[]): void {
    this.#books.transaction(() => {
      this.#books.nameIssuer(issuer);
      this.#keyring.adopt(keys);
    });
  }

  /** Takes the tenant's own first keys, unless another isolate was first. */
  adoptTenantKeys(keys: readonly WrappedKey[]): void {
    this.#books.transaction(() => this.#keyring.adoptTenantKeys(keys));
  }

  /**
   * Seals with a new key from now on, and keeps all of them wrapped as they are given here. One
   * transaction: a crash leaves either the old wrapping or the new, and both open meanwhile.
   *
   * @param kek the public name of the key that wraps them
   */
  async renewTenantKeys(next: WrappedKey, rewrapped: readonly WrappedKey[], kek: string): Promise<void> {
    await this.#change(() => this.#keyring.renewTenantKeys(next, rewrapped, kek));
  }

  /** What is still sealed under another key than this version. */
  sealedUnderOthers(version: number): SealedRow[] {
    return this.#books.tenantKeys.sealedUnderOthers(version);
  }

  /** Puts values in the place of the same under older keys. */
  reseal(rows: readonly ResealedRow[]): void {
    this.#books.transaction(() => this.#keyring.reseal(rows));
  }

  /** Lets new keys take over when they begin to sign; the old ones verify on for as long as they must. */
  async rotateKeys(keys: readonly SealedSigningKey[]): Promise<void> {
    await this.#change(() => this.#keyring.rotate(keys));
  }

  /**
   * Takes a key out of use at once, and all that it signed with it.
   *
   * @param successor signs in its place from now on
   */
  async retireKey(kid: string, successor: SealedSigningKey): Promise<boolean> {
    return this.#change(() => this.#keyring.retire(kid, successor));
  }

  // Its people.

  /**
   * Lets somebody stand in for a person who is away, and tells both.
   *
   * @param by that person, or the operator
   */
  async setAway(person: string, absence: Absence, words: Words, by: string): Promise<void> {
    await this.#change(() => {
      this.#books.absences.put(person, absence, this.#books.now());
      this.#books.record("person.away", { person, ...absence, by });
      this.#books.bump();
      this.#books.tell([person, absence.delegate], words, `away:${this.#books.revision()}`);
    });
  }

  /** Ends an absence that {@link setAway} began; answers whether there was one. */
  async endAway(person: string, by: string): Promise<boolean> {
    return this.#change(() => {
      if (!this.#books.absences.remove(person)) return false;
      this.#books.record("person.back", { person, by });
      this.#books.bump();
      return true;
    });
  }

  /** Writes down that somebody may read what happened here, and until when. */
  async admitAuditor({ person, expires_at }: Admission): Promise<void> {
    await this.#change(() => this.#books.record("auditor.admitted", { person, until: expires_at }));
  }

  /** Writes down that an admin breaks the glass, or says why this one cannot. */
  async claimGlass(claim: GlassClaim): Promise<Result<{ isNew: boolean }, ClaimFault>> {
    return this.#change(() => {
      const result = this.#books.glass.claim(claim);
      const { session_id, client_id, person, reason, review_by } = claim;
      if (result.ok && result.value.isNew)
        this.#books.record("glass.claimed", { session_id, client_id, person, reason, review_by });
      return result;
    });
  }

  async reviewGlass(sessionId: string, person: string, comment: string): Promise<Result<GlassUse, ReviewFault>> {
    return this.#change(() => {
      const result = this.#books.glass.review(sessionId, person, comment, this.#books.now());
      if (result.ok)
        this.#books.record("glass.reviewed", { session_id: sessionId, person, of: result.value.person, comment });
      return result;
    });
  }

  glassUse(sessionId: string): GlassUse | undefined {
    return this.#books.glass.get(sessionId);
  }

  glassUses(): GlassUse[] {
    return this.#books.glass.list();
  }

  // Whom it cut off.

  /** Who was ever cut off, as it is at this moment. */
  cutOffs(): CutOffs {
    return this.#books.cutOffs.all();
  }

  /**
   * Cuts off an agent, what a person approved, or the whole tenant: all that was begun until now is
   * dead. Answers the sessions to be told at once; those that are not reached refuse as soon as the
   * isolates' snapshots are renewed.
   */
  async cutOff(cutOff: CutOff, reason: string | undefined): Promise<string[]> {
    return this.#change(() => {
      this.#books.cutOffs.put(cutOff, this.#books.now());
      const id = cutOff.kind === "tenant" ? undefined : cutOff.id;
      this.#books.record(`${cutOff.kind}.revoked`, { id, reason });
      this.#books.bump();
      return this.#books.sessions.hitBy(cutOff);
    });
  }

  // Its upstreams, and what they are called with.

  /** Keeps a sealed secret under its name; what was there before is gone. */
  async putSecret(name: string, sealed: string): Promise<void> {
    await this.#change(() => {
      this.#books.secrets.put(name, sealed);
      this.#connections.forget(name);
      this.#books.record("secret.set", { name });
    });
  }

  /** Forgets a sealed secret; answers whether there was one. */
  async removeSecret(name: string): Promise<boolean> {
    return this.#change(() => {
      if (!this.#books.secrets.remove(name)) return false;
      this.#connections.forget(name);
      this.#books.record("secret.removed", { name });
      return true;
    });
  }

  /** The names of what is sealed. */
  sealedSecrets(): string[] {
    return this.#books.secrets.names();
  }

  sealedSecret(name: string): string | undefined {
    return this.#books.secrets.get(name);
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
      if (this.#books.flags.raise(upstream, this.#books.now()))
        this.#books.record("upstream.flagged", { upstream, reason: "credential_echoed" });
    });
  }

  flaggedUpstreams(): UpstreamFlag[] {
    return this.#books.flags.all();
  }

  async clearUpstream(upstream: string): Promise<boolean> {
    return this.#change(() => {
      if (!this.#books.flags.clear(upstream)) return false;
      this.#books.record("upstream.cleared", { upstream });
      return true;
    });
  }

  // What its servers show.

  /**
   * Keeps a server from its tokens until its owner has looked at what it shows.
   *
   * @param unproved why its own signature did not do, where that was asked for
   */
  async proposeDefinitions(server: string, shown: readonly ShownTool[], unproved?: string): Promise<void> {
    await this.#change(() => this.#tools.propose(server, shown, unproved));
  }

  /** Accepts what a server signed, and shows; false for a statement that is older than one it made before. */
  async acceptSigned(server: string, signed: SignedDefinitions, shown: readonly ShownTool[]): Promise<boolean> {
    return this.#change(() => this.#tools.acceptSigned(server, signed, shown));
  }

  /** What waits for the owners of servers. */
  proposedDefinitions(): Proposal[] {
    return this.#books.pins.waiting();
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
    return this.#change(() => this.#tools.decide(server, digest, decision, lapsed));
  }

  // What others publish.

  /** A document that a client or an identity provider publishes, as text. */
  remoteDocument(url: string, maxBytes: number, isConfigured: boolean): Promise<Result<string, RemoteFault>> {
    return this.#documents.read(url, maxBytes, isConfigured);
  }

  dropRemoteDocument(url: string): void {
    this.#documents.drop(url);
  }

  // What other objects tell it.

  /** An object says how many rows of its journal wait for a ledger that does not take them. */
  reportBacklog(source: string, rows: number): void {
    this.#books.backlog.report(source, rows, this.#books.now());
  }

  /** Records where a session stands. Told late or twice, it never moves a session back. */
  indexSession(row: IndexedSession): void {
    this.#books.sessions.put(row);
  }

  listSessions(): IndexedSession[] {
    return this.#books.sessions.list();
  }

  /** The sessions at work that somebody approved, the newest first. */
  activeSessionsOf(person: string): string[] {
    return this.#books.sessions.activeOf(person);
  }

  forgetSession(sessionId: string): void {
    this.#books.sessions.remove(sessionId);
  }

  override async alarm(): Promise<void> {
    const issuer = this.#books.issuer();
    for (const job of this.#books.outbox.due(Date.now(), MAX_JOBS)) {
      const outcome = await runTenantJob(job, { env: this.env, issuer });
      this.#books.transaction(() => this.#books.outbox.settle(job, outcome, Date.now()));
    }
    await this.#feed.send(issuer);
    await this.#arm();
  }

  /** One transaction, and whatever it made due. */
  async #change<T>(work: () => T): Promise<T> {
    const result = this.#books.transaction(work);
    await this.#arm();
    return result;
  }

  /** Sets the alarm for whatever comes next. */
  async #arm(): Promise<void> {
    const delay = this.#feed.delayMs();
    await arm(this.ctx.storage, [this.#books.outbox.nextAt(), delay === undefined ? undefined : Date.now() + delay]);
  }
}
