import { DurableObject } from "cloudflare:workers";
import type { AccountLink, LinkFault } from "../connectors/account-link.ts";
import type { ConnectorFault, IssuedToken } from "../connectors/connector.ts";
import type { Passkey } from "../crypto/passkey.ts";
import { objectName } from "../domain/ids.ts";
import type { LinkedAccount } from "../domain/linked-account.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import type { SignIn } from "../domain/sign-in.ts";
import type { LinkedUpstream } from "../domain/upstream.ts";
import { Journal } from "./journal.ts";
import { arm } from "./arm.ts";
import { LedgerFeed } from "./ledger-feed.ts";
import { LinkedAccounts, type DrawingSession } from "./linked-accounts.ts";
import { OneTimeStore, type OneTime, type OneTimeFault } from "./one-time.ts";
import { Outbox } from "./outbox.ts";
import { runPersonJob } from "./person-jobs.ts";
import { SignInStore } from "./sign-in-store.ts";

/** How long a further passkey waits before it can decide, in seconds: time for its owner to notice it. */
export const COOLING_OFF_SECONDS = 24 * 3600;
const MAX_PASSKEYS = 10;
/** How long a request that was held back waits before it asks again by itself, in seconds. */
const HOLD_SECONDS = 60;
/** How often a person is told that more is waiting, in seconds. */
const DIGEST_SECONDS = 15 * 60;
/** Jobs tried in one alarm. */
const MAX_JOBS = 6;

/** Which tenant's person an object is; the object keeps it from its first call. */
export interface PersonIdentity {
  readonly issuer: string;
  readonly person: string;
}

/** A passkey as its person and an admin see it. */
export interface KeptPasskey extends Passkey {
  /** Epoch seconds. */
  readonly created_at: number;
  readonly usable_from: number;
  readonly last_used_at?: number | undefined;
}

export interface EnrolCommand {
  readonly identity: PersonIdentity;
  /** The invitation and the challenge, each good once. */
  readonly oneTime: readonly OneTime[];
  readonly passkey: Passkey;
  /** Whether an admin said that it may decide from now on. */
  readonly atOnce: boolean;
}

export interface UseCommand {
  readonly identity: PersonIdentity;
  readonly credential_id: string;
  readonly challenge: OneTime;
  readonly counter: number;
  readonly backup_eligible: boolean;
}

export interface SignInCommand {
  readonly identity: PersonIdentity;
  /** What brought the browser back, good once. */
  readonly oneTime: readonly OneTime[];
  /** Of what the browser's cookie holds. */
  readonly digest: string;
  readonly how: SignIn["how"];
  readonly roles: SignIn["roles"];
}

export interface LinkCommand {
  readonly identity: PersonIdentity;
  readonly oneTime: OneTime;
  readonly upstream: LinkedUpstream;
  /** What was asked for. */
  readonly scope: string;
  readonly link: AccountLink;
  /** The query that the browser came back with. */
  readonly answer: string;
}

export interface DrawCommand {
  readonly identity: PersonIdentity;
  readonly upstream: LinkedUpstream;
  readonly scope: string;
  readonly session: DrawingSession;
}

export type EnrolFault = OneTimeFault | "known_already" | "too_many";
export type PasskeyFault = OneTimeFault | "unknown" | "cooling_off" | "counter_went_back" | "backup_changed";

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

/** One per tenant and human: their passkeys, and what those were used for. */
export class Person extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #oneTime = new OneTimeStore(this.#sql);
  readonly #outbox = new Outbox(this.#sql);
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
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL, person TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS passkey (
        credential_id TEXT PRIMARY KEY, public_key TEXT NOT NULL, counter INTEGER NOT NULL, transports TEXT NOT NULL,
        backup_eligible INTEGER NOT NULL, created_at INTEGER NOT NULL, usable_from INTEGER NOT NULL, last_used_at INTEGER,
        revoked_at INTEGER)`);
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS waiting (session_id TEXT PRIMARY KEY, since INTEGER NOT NULL, asked INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS digest (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL)`);
    OneTimeStore.createTables(this.#sql);
    LinkedAccounts.createTables(this.#sql);
    Outbox.createTables(this.#sql);
    SignInStore.createTables(this.#sql);
    Journal.createTables(this.#sql);
  }

  /** The passkeys that are not revoked, oldest first. */
  passkeys(): KeptPasskey[] {
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
   * Takes a passkey that its route has verified. The first one may decide at once; a further one only
   * after a day, unless an admin said otherwise, and its owner is told by every channel.
   */
  async enrol(command: EnrolCommand): Promise<Result<{ usable_from: number }, EnrolFault>> {
    const { identity, oneTime, passkey, atOnce } = command;
    const result = this.ctx.storage.transactionSync((): Result<{ usable_from: number }, EnrolFault> => {
      this.#identify(identity);
      const now = this.#now();
      for (const thing of oneTime) {
        const used = this.#oneTime.consume(thing, now);
        if (!used.ok) return used;
      }
      const { ever } = this.#sql.exec<{ ever: number }>("SELECT count(*) AS ever FROM passkey").one();
      if (this.passkeys().length >= MAX_PASSKEYS) return err("too_many");
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
      if (inserted.length === 0) return err("known_already");
      const { credential_id } = passkey;
      this.#journal().append("passkey.enrolled", { credential_id, usable_from, at_once: atOnce }, now);
      for (const channel of ["slack", "email"])
        this.#outbox.put(
          `enrolled:${credential_id}:${channel}`,
          "passkey_enrolled",
          { channel, usable_from, credential_id },
          Date.now(),
        );
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
      const passkey = this.passkeys().find((candidate) => candidate.credential_id === credential_id);
      const fault = judgeUse(passkey, counter, backup_eligible, now);
      if (fault !== undefined) {
        this.#journal().refuse({ reason: `passkey_${fault}`, credential_id }, now);
        return err(fault);
      }
      this.#sql.exec(
        "UPDATE passkey SET counter = ?, last_used_at = ? WHERE credential_id = ?",
        counter,
        now,
        credential_id,
      );
      return ok(undefined);
    });
    await this.#arm();
    return result;
  }

  /** Takes a passkey away, or all of them when none is named; answers those that are gone. */
  async revoke(identity: PersonIdentity, credentialId?: string): Promise<string[]> {
    const gone = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      const now = this.#now();
      const chosen = this.passkeys()
        .map(({ credential_id }) => credential_id)
        .filter((id) => credentialId === undefined || id === credentialId);
      for (const credential_id of chosen) {
        this.#sql.exec("UPDATE passkey SET revoked_at = ? WHERE credential_id = ?", now, credential_id);
        this.#journal().append("passkey.revoked", { credential_id }, now);
      }
      return chosen;
    });
    await this.#arm();
    return gone;
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
    return this.#sql
      .exec<{ session_id: string }>(
        "SELECT session_id FROM waiting WHERE since > ? ORDER BY since",
        Math.floor(Date.now() / 1000) - REQUEST_LIFETIME_SECONDS,
      )
      .toArray()
      .map((row) => row.session_id);
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
      this.#sql.exec("DELETE FROM waiting WHERE since <= ?", now - REQUEST_LIFETIME_SECONDS);
      this.#sql.exec(
        "INSERT INTO waiting (session_id, since, asked) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        sessionId,
        now,
      );
      const { asked, mine } = this.#sql
        .exec<{ asked: number; mine: number }>(
          "SELECT coalesce(sum(asked), 0) AS asked, coalesce(sum(asked AND session_id = ?), 0) AS mine FROM waiting",
          sessionId,
        )
        .one();
      if (mine === 1) return undefined;
      if (asked < maxOpen) {
        this.#sql.exec("UPDATE waiting SET asked = 1 WHERE session_id = ?", sessionId);
        return undefined;
      }
      this.#queueDigest(now);
      return HOLD_SECONDS;
    });
    await this.#arm();
    return wait;
  }

  /** Frees the place of a request that nobody has to decide any more. */
  async release(identity: PersonIdentity, sessionId: string): Promise<void> {
    const held = this.ctx.storage.transactionSync(() => {
      this.#identify(identity);
      this.#sql.exec("DELETE FROM waiting WHERE session_id = ?", sessionId);
      return this.#sql
        .exec<{ session_id: string }>("SELECT session_id FROM waiting WHERE asked = 0 ORDER BY since LIMIT 1")
        .toArray()[0]?.session_id;
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
      for (const channel of ["slack", "email"]) {
        const id = `definitions:${server}:${digest}:${channel}`;
        this.#outbox.put(id, "definitions_differ", { channel, server }, Date.now());
      }
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

  #queueDigest(now: number): void {
    const [last] = this.#sql.exec<{ at: number }>("SELECT at FROM digest").toArray();
    if (last !== undefined && now < last.at + DIGEST_SECONDS) return;
    this.#sql.exec("INSERT INTO digest (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at", now);
    for (const channel of ["slack", "email"])
      this.#outbox.put(`digest:${now}:${channel}`, "digest", { channel }, Date.now());
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

function judgeUse(
  passkey: KeptPasskey | undefined,
  counter: number,
  backupEligible: boolean,
  now: number,
): PasskeyFault | undefined {
  if (passkey === undefined) return "unknown";
  if (now < passkey.usable_from) return "cooling_off";
  if (passkey.backup_eligible !== backupEligible) return "backup_changed";
  // Zero is what authenticators say that keep no counter.
  const countsUp = counter > passkey.counter || (counter === 0 && passkey.counter === 0);
  return countsUp ? undefined : "counter_went_back";
}

function sourceOf({ person }: PersonIdentity): string {
  return `person:${person}`;
}
