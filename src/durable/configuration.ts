import { leaversOf } from "../domain/leavers.ts";
import type { TenantDocument } from "../domain/tenant.ts";
import type { TenantBooks } from "./tenant-books.ts";

/** What an isolate that has not heard of a new document may still let in: what it knows is at most this old. */
const HEARSAY_SECONDS = 5;
const LEFT = "taken out of the tenant's document";

/** A document that was applied, and the sessions to be told that their agent is no longer in it. */
export interface AppliedDocument {
  readonly version: number;
  readonly sessions: string[];
}

/** How one document of a tenant follows another. Each method belongs into one transaction. */
export class Configuration {
  readonly #books: TenantBooks;

  constructor(books: TenantBooks) {
    this.#books = books;
  }

  apply(document: string, digest: string, longestSessionSeconds: number): AppliedDocument {
    const latest = this.#books.config.latest();
    if (latest?.document === document) return { version: latest.version, sessions: [] };
    const version = (latest?.version ?? 0) + 1;
    this.#books.config.add({ version, document }, longestSessionSeconds, this.#books.now());
    this.#books.record("config.applied", { version, digest });
    const sessions = this.#cutOffLeavers(read(latest?.document ?? "{}"), read(document));
    this.#books.bump();
    return { version, sessions };
  }

  /** Cuts off the agents that a new document no longer knows; answers the sessions to be told. */
  #cutOffLeavers(before: Partial<TenantDocument>, after: Partial<TenantDocument>): string[] {
    const { sessions, cutOffs } = this.#books;
    return leaversOf(before, after, (host) => sessions.clientsOn(host)).flatMap((id) => {
      cutOffs.put({ kind: "agent", id }, this.#books.now() + HEARSAY_SECONDS);
      this.#books.record("agent.revoked", { id, reason: LEFT });
      return sessions.hitBy({ kind: "agent", id });
    });
  }
}

/** What stands here was validated before it was stored; at first nothing does. */
function read(document: string): Partial<TenantDocument> {
  return JSON.parse(document) as Partial<TenantDocument>;
}
