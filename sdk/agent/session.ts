import type { AuthorizationServer, IssuedToken, Narrower } from "../shared/authorization-server.ts";
import type { Fetch } from "../shared/dpop-sender.ts";
import { resourceFetch } from "../shared/resource-fetch.ts";
import { readJson, refusalIn } from "../shared/stint-error.ts";

/** What Stint tells of a session: `GET /sessions/{id}`. */
export interface SessionView {
  readonly session_id: string;
  readonly status: "pending" | "active" | "ended";
  readonly outcome?: string;
  /** Epoch seconds. */
  readonly expires_at?: number;
  readonly usage: Readonly<Record<string, unknown>>;
  readonly leases: readonly Readonly<Record<string, unknown>>[];
  /** The signed receipt, once it has ended. */
  readonly receipt?: string | null;
}

/** An approved session. It ends when it ends: nothing here renews it, to go on a new one is asked for. */
export class Session {
  readonly id: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
  /** What the human granted, which may be less than was asked. */
  readonly authorizationDetails: IssuedToken["authorizationDetails"];
  readonly #server: AuthorizationServer;
  readonly #token: string;

  constructor(server: AuthorizationServer, id: string, issued: IssuedToken) {
    this.id = id;
    this.expiresAt = issued.expiresAt;
    this.authorizationDetails = issued.authorizationDetails;
    this.#server = server;
    this.#token = issued.accessToken;
  }

  /**
   * A `fetch` for a server that Stint knows, which brings token and proof to every request.
   *
   * @param resource the server's resource URI
   * @param narrower carries less than the session allows
   */
  fetch(resource: string, narrower?: Narrower): Fetch {
    return resourceFetch(resource, this.#server.sender, () => this.exchange(resource, narrower));
  }

  /** A `fetch` for an upstream's own API behind the proxy; addresses begin with `/`. */
  upstream(id: string, narrower?: Narrower): Fetch {
    return this.fetch(`${this.#server.issuer}/proxy/${id}`, narrower);
  }

  /** A token for one audience (RFC 8693), bound to the same key, five minutes at most. */
  exchange(resource: string, narrower?: Narrower): Promise<IssuedToken> {
    return this.#server.exchange(this.#token, resource, false, narrower);
  }

  /** How the session stands: what was granted, used, and is left. */
  look(): Promise<SessionView> {
    return this.#call("GET", `/sessions/${this.id}`);
  }

  /** Says that the task is done: everything that came from the session dies with it. */
  end(): Promise<SessionView> {
    return this.#call("POST", `/sessions/${this.id}/end`);
  }

  async #call(method: string, path: string): Promise<SessionView> {
    const url = new URL(this.#server.issuer + path);
    const response = await this.#server.sender.send(url, async () => ({ method }), this.#token);
    if (!response.ok) throw await refusalIn(response);
    return (await readJson(response)) as unknown as SessionView;
  }
}
