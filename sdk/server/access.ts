import type { AuthorizationServer, IssuedToken } from "../shared/authorization-server.ts";
import type { Fetch } from "../shared/dpop-sender.ts";
import { resourceFetch } from "../shared/resource-fetch.ts";
import type { Statement } from "./token-check.ts";

/** What one verified request may do, and the way from it to upstreams. */
export class Access {
  /** Whom the session is for (`sub`). */
  readonly subject: string;
  /** The agent whose session it is. */
  readonly agent: string;
  readonly sessionId: string;
  /** The server that acts for the agent (`act`, RFC 8693 §4.1), where one stands between. */
  readonly actor: string | undefined;
  /** Epoch seconds. */
  readonly expiresAt: number;
  /** The tools of this server that were granted. */
  readonly tools: ReadonlySet<string>;
  readonly #token: string;
  readonly #stint: AuthorizationServer;
  readonly #upstreams = new Map<string, Fetch>();

  constructor(token: string, statement: Statement, server: string, stint: AuthorizationServer) {
    const { sub, client_id, agent, sid, exp, act } = statement;
    const actor = (act as { sub?: unknown } | undefined)?.sub;
    this.#token = token;
    this.subject = String(sub);
    this.agent = String(agent ?? client_id);
    this.sessionId = String(sid);
    this.actor = typeof actor === "string" ? actor : undefined;
    this.expiresAt = Number(exp);
    this.tools = grantedTools(statement["authorization_details"], server);
    this.#stint = stint;
  }

  /**
   * The token itself, which no log of this object shows. It is meant for this server: nobody else
   * takes it, nothing may pass it on.
   */
  get token(): string {
    return this.#token;
  }

  /** Whether a tool was granted, by its name letter for letter. */
  allows(tool: string): boolean {
    return this.tools.has(tool);
  }

  /**
   * A `fetch` for an upstream's own API, with what the session allows this server's tools. Addresses
   * begin with `/`. Stint exchanges the token, proves this server's key, and holds the credential.
   */
  upstream(id: string): Fetch {
    const known = this.#upstreams.get(id);
    if (known !== undefined) return known;
    const resource = `${this.#stint.issuer}/proxy/${id}`;
    const made = resourceFetch(resource, this.#stint.sender, () => this.exchange(resource));
    this.#upstreams.set(id, made);
    return made;
  }

  /** A token for one other audience (RFC 8693), bound to this server's own key, that names it in `act`. */
  exchange(resource: string): Promise<IssuedToken> {
    return this.#stint.exchange(this.#token, resource, true);
  }
}

/** Of `authorization_details` (RFC 9396): the `mcp_tools` of this server. */
function grantedTools(details: unknown, server: string): ReadonlySet<string> {
  const entries = Array.isArray(details) ? (details as (Record<string, unknown> | null)[]) : [];
  const actions = entries.flatMap((entry) =>
    entry?.["type"] === "mcp_tools" && entry["server"] === server && Array.isArray(entry["actions"])
      ? (entry["actions"] as unknown[])
      : [],
  );
  return new Set(actions.filter((action) => typeof action === "string"));
}
