import { redeemConsent, type AccountLink, type LinkFault } from "../connectors/account-link.ts";
import type { ConnectorFault, IssuedToken } from "../connectors/connector.ts";
import { createOutbound } from "../connectors/outbound.ts";
import { revokeToken, type TokenEndpointContext } from "../connectors/token-endpoint.ts";
import { requireConfig } from "../config.ts";
import { asRefreshing, withinConsent, type LinkedAccount } from "../domain/linked-account.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { LinkedUpstream } from "../domain/upstream.ts";
import { openSealed, readSecret, sealSecret } from "../tenancy.ts";
import { Connections } from "./connections.ts";
import type { EventData } from "./journal.ts";
import type { Outbox } from "./outbox.ts";
import type { PersonIdentity } from "./person-commands.ts";

/** What the accounts may use of the object they live in. */
export interface LinkedAccountsHost {
  readonly env: Env;
  readonly storage: DurableObjectStorage;
  readonly outbox: Outbox;
  readonly identity: () => PersonIdentity;
  readonly record: (type: string, data: EventData) => void;
  /** Epoch seconds. */
  readonly now: () => number;
}

/** A session that draws on an account. */
export interface DrawingSession {
  readonly session_id: string;
  /** Its end, epoch seconds. */
  readonly expires_at: number;
}

type Row = { upstream: string; sealed: string; scope: string | null; linked_at: number };

/**
 * The accounts that one person linked at upstreams: each a refresh token, sealed to this person and
 * upstream, used by one session at a time ({@link Connections}). Unlinking forgets it here at once, and
 * takes back at the upstream what it gave.
 */
export class LinkedAccounts {
  readonly #host: LinkedAccountsHost;
  readonly #sql: SqlStorage;
  readonly #connections: Connections;

  constructor(host: LinkedAccountsHost) {
    this.#host = host;
    this.#sql = host.storage.sql;
    const { env, storage, identity, now } = host;
    this.#connections = new Connections({
      storage,
      seal: (name, token) => sealSecret(env, identity().issuer, name, token),
      outbound: this.#context().outbound,
      readSecret: (name) => this.#readSecret(name),
      sealedSecret: (name) => this.#rows().find((row) => this.#secretOf(row.upstream) === name)?.sealed,
      writeSecret: (name, sealed) => this.#replace(name, sealed),
      record: (type, data) => this.#record(type, data),
      now,
    });
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS account (upstream TEXT PRIMARY KEY, sealed TEXT NOT NULL, scope TEXT, linked_at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS account_use (
        upstream TEXT NOT NULL, session_id TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (upstream, session_id))`);
    Connections.createTables(sql);
  }

  list(): LinkedAccount[] {
    const broken = new Map(this.#connections.rows().map(({ secret, reason }) => [secret, reason]));
    return this.#rows().map(({ upstream, scope, linked_at }) => ({
      upstream,
      scope: scope ?? undefined,
      linked_at,
      broken: broken.get(this.#secretOf(upstream)),
    }));
  }

  /** Redeems a consent and keeps what it gave. An account that was linked before is taken back. */
  async link(
    upstream: LinkedUpstream,
    asked: string,
    link: AccountLink,
    answer: URLSearchParams,
  ): Promise<Result<void, LinkFault>> {
    const consent = await redeemConsent(upstream, asked, link, answer, this.#context());
    if (!consent.ok) return consent;
    const { refresh_token, scope } = consent.value;
    const { env, identity } = this.#host;
    const sealed = await sealSecret(env, identity().issuer, this.#secretOf(upstream.id), refresh_token);
    this.#host.storage.transactionSync(() => {
      this.#forget(upstream.id);
      this.#sql.exec(
        "INSERT INTO account (upstream, sealed, scope, linked_at) VALUES (?, ?, ?, ?)",
        upstream.id,
        sealed,
        scope,
        this.#host.now(),
      );
      this.#host.record("account.linked", { upstream: upstream.id, scope });
    });
    return ok(undefined);
  }

  /** Answers whether there was one. From then on no session draws on it, and those that did give back what they hold. */
  unlink(upstream: string, by: string): boolean {
    return this.#host.storage.transactionSync(() => {
      const isThere = this.#forget(upstream);
      if (isThere) this.#host.record("account.unlinked", { upstream, by });
      return isThere;
    });
  }

  /** An access token for one session, with no more scope than it needs and the person consented to. */
  async draw(
    upstream: LinkedUpstream,
    scope: string,
    { session_id, expires_at }: DrawingSession,
  ): Promise<Result<IssuedToken, ConnectorFault>> {
    const account = this.#row(upstream.id);
    if (account === undefined) return err({ kind: "not_linked" });
    this.#host.storage.transactionSync(() => {
      this.#sql.exec("DELETE FROM account_use WHERE until <= ?", this.#host.now());
      this.#sql.exec(
        "INSERT INTO account_use (upstream, session_id, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        upstream.id,
        session_id,
        expires_at,
      );
    });
    const asked = withinConsent(scope, account.scope ?? undefined);
    const issued = await this.#connections.refresh(asRefreshing(upstream, this.#secretOf(upstream.id)), asked);
    if (!issued.ok) return issued;
    // It may have been unlinked while the upstream answered.
    if (this.#row(upstream.id)?.linked_at === account.linked_at)
      return ok({ ...issued.value, scope: issued.value.scope ?? (asked === "" ? undefined : asked) });
    await revokeToken(upstream, issued.value.access_token, this.#context());
    return err({ kind: "not_linked" });
  }

  /** Takes an unlinked account's token back at its upstream. Answers whether it is done with. */
  async takeBack(upstream: LinkedUpstream, sealed: string): Promise<boolean> {
    if (upstream.revocation_endpoint === undefined) return true;
    const token = await this.#unseal(upstream.id, sealed);
    if (token === undefined) return true;
    const revoked = await revokeToken(upstream, token, this.#context(), "refresh_token");
    return revoked.ok || revoked.error.kind === "upstream_refused";
  }

  /** Drops an account within the caller's transaction, and queues what has to follow. */
  #forget(upstream: string): boolean {
    const account = this.#row(upstream);
    if (account === undefined) return false;
    const { outbox } = this.#host;
    this.#sql.exec("DELETE FROM account WHERE upstream = ?", upstream);
    this.#connections.forget(this.#secretOf(upstream));
    outbox.put(
      `account:${upstream}:${account.linked_at}`,
      "revoke_account",
      { upstream, sealed: account.sealed },
      Date.now(),
    );
    const drawing = this.#sql
      .exec<{ session_id: string }>("DELETE FROM account_use WHERE upstream = ? RETURNING session_id", upstream)
      .toArray();
    for (const { session_id } of drawing)
      outbox.put(`give_back:${upstream}:${session_id}`, "give_back", { upstream, session_id }, Date.now());
    return true;
  }

  #record(type: string, data: EventData): void {
    this.#host.record(type, data);
    if (type !== "connection.broken") return;
    const upstream = String(data["upstream"]);
    for (const channel of ["slack", "email"])
      this.#host.outbox.put(
        `broken:${upstream}:${this.#host.now()}:${channel}`,
        "account_broken",
        { channel, upstream },
        Date.now(),
      );
  }

  /** Keeps the successor of a refresh token. */
  #replace(name: string, sealed: string): void {
    const row = this.#rows().find(({ upstream }) => this.#secretOf(upstream) === name);
    if (row !== undefined) this.#sql.exec("UPDATE account SET sealed = ? WHERE upstream = ?", sealed, row.upstream);
  }

  /** Names the person as well: a row that was moved to somebody else's object does not open there. */
  #secretOf(upstream: string): string {
    return `account ${upstream} ${this.#host.identity().person}`;
  }

  #unseal(upstream: string, sealed: string): Promise<string | undefined> {
    const { env, identity } = this.#host;
    return openSealed(env, { issuer: identity().issuer, kind: "secret", name: this.#secretOf(upstream) }, sealed);
  }

  async #readSecret(name: string): Promise<string | undefined> {
    const account = this.#rows().find(({ upstream }) => this.#secretOf(upstream) === name);
    if (account !== undefined) return this.#unseal(account.upstream, account.sealed);
    return readSecret(this.#host.env, this.#host.identity().issuer, name);
  }

  #context(): TokenEndpointContext {
    const { allowPrivateNetwork, origins } = requireConfig(this.#host.env);
    return {
      outbound: createOutbound({ allowPrivateNetwork, ownOrigins: origins }),
      readSecret: (name) => this.#readSecret(name),
      now: Math.floor(Date.now() / 1000),
    };
  }

  #row(upstream: string): Row | undefined {
    return this.#rows().find((row) => row.upstream === upstream);
  }

  #rows(): Row[] {
    return this.#sql.exec<Row>("SELECT upstream, sealed, scope, linked_at FROM account ORDER BY upstream").toArray();
  }
}
