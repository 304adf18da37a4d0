import type { ConnectorFault, IssuedToken } from "../connectors/connector.ts";
import type { Outbound } from "../connectors/outbound.ts";
import { requestToken, toConnectorFault, type TokenFault } from "../connectors/token-endpoint.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { OAuth2RefreshUpstream } from "../domain/upstream.ts";
import type { EventData } from "./journal.ts";

/** Sessions that wait for the same connection at once. */
const MAX_WAITING = 20;

/** Where a connection stands that was not simply left ready. */
export interface ConnectionRow {
  readonly secret: string;
  readonly upstream: string;
  /** `refreshing`: the refresh token is on its way, and its successor is not here yet. */
  readonly status: "refreshing" | "broken";
  readonly reason: string | undefined;
  /** Epoch seconds. */
  readonly changed_at: number;
}

/** What the connections may use of the object they live in. */
export interface ConnectionsHost {
  readonly storage: DurableObjectStorage;
  /** Seals a token under its name. */
  readonly seal: (name: string, token: string) => Promise<string>;
  readonly outbound: Outbound;
  readonly readSecret: (name: string) => Promise<string | undefined>;
  readonly sealedSecret: (name: string) => string | undefined;
  /** Keeps a sealed secret under its name, inside the caller's transaction. */
  readonly writeSecret: (name: string, sealed: string) => void;
  readonly record: (type: string, data: EventData) => void;
  readonly now: () => number;
}

type Access = Result<IssuedToken, ConnectorFault>;

/**
 * The refresh tokens of a tenant. A server that rotates them takes each one once, so each is used by
 * one caller at a time: claim (transaction) → ask → keep the successor (transaction) → hand out the
 * access token. When no answer comes, the successor is lost with it: the connection is broken, and is
 * not tried again until the operator stores a new token, or says that the old one is to be tried.
 */
export class Connections {
  readonly #host: ConnectionsHost;
  readonly #queues = new Map<string, { tail: Promise<unknown>; waiting: number }>();

  constructor(host: ConnectionsHost) {
    this.#host = host;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`CREATE TABLE IF NOT EXISTS connection (
      secret TEXT PRIMARY KEY, upstream TEXT NOT NULL, status TEXT NOT NULL, reason TEXT, changed_at INTEGER NOT NULL)`);
  }

  /** An access token by a refresh token, with this scope (empty: what the server gives). */
  async refresh(upstream: OAuth2RefreshUpstream, scope: string): Promise<Access> {
    const name = upstream.refresh_token.secret;
    const queue = this.#queues.get(name) ?? { tail: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= MAX_WAITING) return err({ kind: "upstream_unavailable" });
    this.#queues.set(name, queue);
    queue.waiting += 1;
    const turn = queue.tail.then(() => this.#refresh(upstream, name, scope));
    queue.tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) this.#queues.delete(name);
    }
  }

  /** The connections that are not simply ready. */
  rows(): ConnectionRow[] {
    type Row = { secret: string; upstream: string; status: string; reason: string | null; changed_at: number };
    return this.#host.storage.sql
      .exec<Row>("SELECT secret, upstream, status, reason, changed_at FROM connection ORDER BY secret")
      .toArray()
      .map((row) => ({
        ...row,
        status: row.status as ConnectionRow["status"],
        reason: row.reason ?? undefined,
      }));
  }

  /** The operator stored a new token: whatever became of the old one matters no longer. */
  forget(secret: string): void {
    this.#host.storage.sql.exec("DELETE FROM connection WHERE secret = ?", secret);
  }

  /** The operator knows better: the token that is stored is to be tried again. Answers whether one was broken. */
  retry(name: string): boolean {
    const { storage, record } = this.#host;
    const broken = this.rows().find(({ secret, status }) => secret === name && status === "broken");
    if (broken === undefined) return false;
    storage.transactionSync(() => {
      this.forget(name);
      record("connection.retried", { upstream: broken.upstream, secret: name });
    });
    return true;
  }

  async #refresh(upstream: OAuth2RefreshUpstream, name: string, scope: string): Promise<Access> {
    const { storage, sealedSecret, readSecret, outbound, now } = this.#host;
    const before = this.rows().find(({ secret }) => secret === name);
    if (before?.status === "broken") return err({ kind: "upstream_broken" });
    // Turns are taken one after the other, so a claim that is still here was left by a process that died.
    if (before !== undefined) return this.#break(upstream, name, "the broker stopped before the answer was stored");
    const sealedBefore = sealedSecret(name);
    const token = await readSecret(name);
    if (token === undefined) return err({ kind: "misconfigured", missing: name });
    if (upstream.refresh_token_rotation) storage.transactionSync(() => this.#claim(upstream, name));
    const { resource, audience } = upstream;
    const parameters = {
      refresh_token: token,
      ...(scope === "" ? {} : { scope }),
      ...(resource === undefined ? {} : { resource }),
      ...(audience === undefined ? {} : { audience }),
    };
    const answer = await requestToken(upstream, "refresh_token", parameters, { outbound, readSecret, now: now() });
    if (!answer.ok) return this.#refused(upstream, name, sealedBefore, answer.error);
    const { refresh_token, ...issued } = answer.value;
    await this.#keep(upstream, name, sealedBefore, refresh_token);
    return ok(issued);
  }

  #claim(upstream: OAuth2RefreshUpstream, name: string): void {
    this.#host.storage.sql.exec(
      "INSERT INTO connection (secret, upstream, status, changed_at) VALUES (?, ?, 'refreshing', ?)",
      name,
      upstream.id,
      this.#host.now(),
    );
  }

  /** Keeps the successor before anybody may use the access token that came with it. */
  async #keep(
    upstream: OAuth2RefreshUpstream,
    name: string,
    sealedBefore: string | undefined,
    refresh_token: string | undefined,
  ): Promise<void> {
    const { storage, seal, sealedSecret, writeSecret, record } = this.#host;
    const sealed = refresh_token === undefined ? undefined : await seal(name, refresh_token);
    storage.transactionSync(() => {
      // Where the operator stored another token meanwhile, theirs stays.
      if (sealed !== undefined && sealedSecret(name) === sealedBefore) {
        writeSecret(name, sealed);
        record("secret.rotated", { name, upstream: upstream.id });
      }
      this.forget(name);
    });
  }

  async #refused(
    upstream: OAuth2RefreshUpstream,
    name: string,
    sealedBefore: string | undefined,
    fault: TokenFault,
  ): Promise<Access> {
    const isCurrent = this.#host.sealedSecret(name) === sealedBefore;
    if (isCurrent && fault.kind === "rejected" && fault.error === "invalid_grant")
      return this.#break(upstream, name, "the upstream no longer takes the refresh token");
    if (isCurrent && fault.kind === "answer_lost" && upstream.refresh_token_rotation)
      return this.#break(upstream, name, "the upstream's answer was lost, and the next refresh token with it");
    await this.#keep(upstream, name, sealedBefore, fault.kind === "unusable" ? fault.refresh_token : undefined);
    return err(toConnectorFault(fault));
  }

  #break(upstream: OAuth2RefreshUpstream, name: string, reason: string): Access {
    const { storage, record, now } = this.#host;
    storage.transactionSync(() => {
      storage.sql.exec(
        `INSERT INTO connection (secret, upstream, status, reason, changed_at) VALUES (?1, ?2, 'broken', ?3, ?4)
         ON CONFLICT (secret) DO UPDATE SET status = 'broken', reason = ?3, changed_at = ?4`,
        name,
        upstream.id,
        reason,
        now(),
      );
      record("connection.broken", { upstream: upstream.id, secret: name, reason });
    });
    return err({ kind: "upstream_broken" });
  }
}
