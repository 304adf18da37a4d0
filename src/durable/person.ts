import { DurableObject } from "cloudflare:workers";
import type { LinkFault } from "../connectors/account-link.ts";
import type { ConnectorFault, IssuedToken } from "../connectors/connector.ts";
import { objectName } from "../domain/ids.ts";
import type { LinkedAccount } from "../domain/linked-account.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { SignIn } from "../domain/sign-in.ts";
import { Journal } from "./journal.ts";
import { arm } from "./arm.ts";
import { InboxStore } from "./inbox-store.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { LinkedAccounts } from "./linked-accounts.ts";
import { OneTimeStore, type OneTimeFault } from "./one-time.ts";
import { Outbox } from "./outbox.ts";
import { PasskeyStore, type KeptPasskey } from "./passkey-store.ts";
import type {
  DrawCommand,
  EnrolCommand,
  EnrolFault,
  LinkCommand,
  PasskeyFault,
  PersonIdentity,
  SignInCommand,
  UseCommand,
} from "./person-commands.ts";
import { runPersonJob } from "./person-jobs.ts";
import { SignInStore } from "./sign-in-store.ts";

/** How long a request that was held back waits before it asks again by itself, in seconds. */
const HOLD_SECONDS = 60;
/** Jobs tried in one alarm. */
const MAX_JOBS = 6;

/** One per tenant and human: their passkeys, sign-ins and linked accounts, and what waits for them. */
export class Person extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #oneTime = new OneTimeStore(this.#sql);
  readonly #outbox = new Outbox(this.#sql);
  readonly #passkeys = new PasskeyStore(this.#sql);
  readonly #inbox = new InboxStore(this.#sql);
  readonly #signIns = new SignInStore(this.#sql);
  readonly #accounts = new LinkedAccounts({
    env: this.env,
    storage: this.ctx.storage,
    outbox: this.#outbox,
    identity: () => this.#identity(),
    record: (type, data) => this.#journal().append(type, data, this.#now()),
    now: () => this.#now(),
  });

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL, person TEXT NOT NULL)",
    );
    PasskeyStore.createTables(this.#sql);
    InboxStore.createTables(this.#sql);
    OneTimeStore.createTables(this.#sql);
    LinkedAccounts.createTables(this.#sql);
    Outbox.createTables(this.#sql);
    SignInStore.createTables(this.#sql);
    Journal.createTables(this.#sql);
  }

  /** The passkeys that are not revoked, oldest first. */
  passkeys(): KeptPasskey[] {
    return this.#passkeys.list();
  }

  /**
   * Takes a passkey that its route has verified. The first one may decide at once; a further one only
   * after a day, unless an admin said otherwise, and its owner is told by every channel.
   */
  async enrol(command: EnrolCommand): Promise<Result<{ usable_from: number }, EnrolFault>> {
    const { identity, oneTime, passkey, atOnce, since } = command;
    const result = this.ctx.storage.transactionSync((): Result<{ usable_from: number }, EnrolFault> => {
      this.#identify(identity);
      const now = this.#now();
      for (const thing of oneTime) {
        const used = this.#oneTime.consume(thing, now);
        if (!used.ok) return used;
      }
      const added = this.#passkeys.add(passkey, { atOnce, since }, now);
      if (!added.ok) return added;
      const usable_from = added.value;
      const { credential_id } = passkey;
      this.#journal().append("passkey.enrolled", { credential_id, usable_from, at_once: atOnce }, now);
      this.#tell(`enrolled:${credential_id}`, "passkey_enrolled", { usable_from, credential_id });
      return ok({ usable_from });
    });
    await this.#arm();
    return result;
  }

  /**
   * Uses a passkey for one decision: its challenge is used up, its counter moves on. A counter that
   * goes back, or a key that says it became copyable, is a copy of a key, and decides nothing.
   */
  async use(command: UseCommand): Promise<Result<void, PasskeyFault>> {
    const { identity, credential_id, challenge, counter, backup_eligible } = command;
    const result = this.ctx.storage.transactionSync((): Result<void, PasskeyFault> => {
      this.#identify(identity);
      const now = this.#now();
      const used = this.#oneTime.consume(challenge, now);
      if (!used.ok) return used;
      const fault = this.#passkeys.use(credential_id, { counter, backup_eligible }, now);
      if (fault === undefined) return ok(undefined);
      this.#journal().refuse({ reason: `passkey_${fault}`, credential_id }, now);
      return err(fault);
    });
    await this.#arm();
    return result;
  }

  /**
   * Takes a passkey away, or all of them when none is named, and signs out every browser that came in
   * by one; answers those that are gone.
   */
  async revoke(identity: PersonIdentity, credentialId?: string): Promise<string[]> {
    const gone = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      const now = this.#now();
      const chosen = this.passkeys()
        .map(({ credential_id }) => credential_id)
        .filter((id) => credentialId === undefined || id === credentialId);
      for (const id of chosen) this.#revokePasskey(id, now);
      if (chosen.length > 0) this.#signIns.removeByPasskey();
      return chosen;
    });
    await this.#arm();
    return gone;
  }

  /**
   * Ends what this person had when they left the tenant's document, so that it serves nobody who is
   * given their id later: passkeys, sign-ins, linked accounts.
   *
   * @param until epoch seconds; what came later is somebody else's
   */
  async leave(identity: PersonIdentity, until: number): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      const now = this.#now();
      for (const { credential_id, created_at } of this.passkeys())
        if (created_at <= until) this.#revokePasskey(credential_id, now);
      for (const { upstream, linked_at } of this.accounts())
        if (linked_at <= until) this.#accounts.unlink(upstream, "operator");
      this.#signIns.removeUntil(until);
    });
    await this.#arm();
  }

  /** Signs this person in, in one browser. */
  async signIn({ identity, oneTime, digest, how, roles }: SignInCommand): Promise<Result<void, OneTimeFault>> {
    const result = this.ctx.storage.transactionSync((): Result<void, OneTimeFault> => {
      this.#identify(identity);
      const at = this.#now();
      for (const thing of oneTime) {
        const used = this.#oneTime.consume(thing, at);
        if (!used.ok) return used;
      }
      this.#signIns.add(digest, { at, how, roles });
      const { issuer: provider, acr } = how.by === "sso" ? how.identity : {};
      this.#journal().append("person.signed_in", { by: how.by, provider, acr, roles }, at);
      return ok(undefined);
    });
    await this.#arm();
    return result;
  }

  /** How the person signed in, in the browser whose cookie has this digest. */
  signedIn(digest: string): SignIn | undefined {
    return this.#signIns.get(digest);
  }

  async signOut(digest: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      if (this.#signIns.remove(digest)) this.#journal().append("person.signed_out", {}, this.#now());
    });
    await this.#arm();
  }

  /** The sessions that wait for this person's decision, also those that were held back; the oldest first. */
  waiting(): string[] {
    return this.#inbox.list(Math.floor(Date.now() / 1000));
  }

  /**
   * Asks for a place among the requests that this person is asked to decide. Without one the request
   * is held back, and the person is told once in a while how many wait.
   *
   * @returns undefined when the link may go out, else in how many seconds to ask again
   */
  async admit(identity: PersonIdentity, sessionId: string, maxOpen: number): Promise<number | undefined> {
    const wait = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      const now = this.#now();
      if (this.#inbox.admit(sessionId, maxOpen, now)) return undefined;
      if (this.#inbox.isDigestDue(now)) this.#tell(`digest:${now}`, "digest", {});
      return HOLD_SECONDS;
    });
    await this.#arm();
    return wait;
  }

  /** Frees the place of a request that nobody has to decide any more. */
  async release(identity: PersonIdentity, sessionId: string): Promise<void> {
    const held = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      return this.#inbox.release(sessionId);
    });
    // The longest held one asks again now; were this lost, it would by itself a little later.
    if (held !== undefined) await this.env.SESSION.getByName(objectName(identity.issuer, held)).nudge();
  }

  /** Records that an admin invited this person to make a passkey. */
  async invited(identity: PersonIdentity, invitation: string, atOnce: boolean): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      this.#journal().append("passkey.invited", { invitation, at_once: atOnce }, this.#now());
    });
    await this.#arm();
  }

  /** A server of this person's shows tools that they have not accepted. */
  async tellOfDefinitions(identity: PersonIdentity, server: string, digest: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      this.#tell(`definitions:${server}:${digest}`, "definitions_differ", { server });
    });
    await this.#arm();
  }

  /** The accounts this person linked at upstreams. */
  accounts(): LinkedAccount[] {
    return this.#accounts.list();
  }

  /** Links an account by what the browser brought back from the upstream's server, which is good once. */
  async linkAccount(command: LinkCommand): Promise<Result<void, OneTimeFault | LinkFault>> {
    const { identity, oneTime, upstream, scope, link, answer } = command;
    const used = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      return this.#oneTime.consume(oneTime, this.#now());
    });
    if (!used.ok) return used;
    const linked = await this.#accounts.link(upstream, scope, link, new URLSearchParams(answer));
    await this.#arm();
    return linked;
  }

  /**
   * @param by who says so, for the record
   * @returns whether there was one to unlink
   */
  async unlinkAccount(identity: PersonIdentity, upstream: string, by: string): Promise<boolean> {
    this.#identify(identity);
    const unlinked = this.#accounts.unlink(upstream, by);
    await this.#arm();
    return unlinked;
  }

  /** An access token by an account of this person's, for one session that works for them. */
  async drawFromAccount(command: DrawCommand): Promise<Result<IssuedToken, ConnectorFault>> {
    const { identity, upstream, scope, session } = command;
    this.#identify(identity);
    const drawn = await this.#accounts.draw(upstream, scope, session);
    await this.#arm();
    return drawn;
  }

  override async alarm(): Promise<void> {
    const identity = this.#identity();
    for (const job of this.#outbox.due(Date.now(), MAX_JOBS)) {
      const outcome = await runPersonJob(job, { env: this.env, identity, accounts: this.#accounts });
      this.ctx.storage.transactionSync(() => this.#outbox.settle(job, outcome, Date.now()));
    }
    await this.#feed().send(identity.issuer);
    await this.#arm();
  }

  #revokePasskey(credential_id: string, now: number): void {
    this.#passkeys.revoke(credential_id, now);
    this.#journal().append("passkey.revoked", { credential_id }, now);
  }

  /** Queues what this person is told by every channel. */
  #tell(about: string, kind: string, what: object): void {
    for (const channel of ["slack", "email"])
      this.#outbox.put(`${about}:${channel}`, kind, { channel, ...what }, Date.now());
  }

  #identify({ issuer, person }: PersonIdentity): void {
    this.#sql.exec("INSERT INTO identity (id, issuer, person) VALUES (1, ?, ?) ON CONFLICT DO NOTHING", issuer, person);
  }

  #identity(): PersonIdentity {
    return this.#sql.exec<{ issuer: string; person: string }>("SELECT issuer, person FROM identity").one();
  }

  #journal(): Journal {
    return new Journal(this.#sql, sourceOf(this.#identity()));
  }

  #feed(): LedgerFeed {
    return new LedgerFeed(this.env, sourceOf(this.#identity()), this.#journal());
  }

  async #arm(): Promise<void> {
    const delay = this.#feed().delayMs();
    await arm(this.ctx.storage, [this.#outbox.nextAt(), delay === undefined ? undefined : Date.now() + delay]);
  }

  /** Time that never runs backwards. */
  #now(): number {
    return Math.max(Math.floor(Date.now() / 1000), this.#journal().head().at);
  }
}

function sourceOf({ person }: PersonIdentity): string {
  return `person:${person}`;
}
