import { leaversOf, peopleWhoLeave } from "../domain/leavers.ts";
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

  /** Cuts off the agents and people that a new document no longer knows; answers the sessions to be told. */
  #cutOffLeavers(before: Partial<TenantDocument>, after: Partial<TenantDocument>): string[] {
    const { sessions, cutOffs } = this.#books;
    for (const id of peopleWhoLeave(before, after)) this.#partWith(id);
    return leaversOf(before, after, (host) => sessions.clientsOn(host)).flatMap((id) => {
      cutOffs.put({ kind: "agent", id }, this.#books.now() + HEARSAY_SECONDS);
      this.#books.record("agent.revoked", { id, reason: LEFT });
      return sessions.hitBy({ kind: "agent", id });
    });
  }

  /** Somebody leaves, with all that they have here. It is ended at once, and again when no isolate can let anything in any more. */
  #partWith(id: string): void {
    const { cutOffs, absences, outbox } = this.#books;
    const until = this.#books.now() + HEARSAY_SECONDS;
    cutOffs.put({ kind: "person", id }, until);
    this.#books.record("person.left", { id });
    for (const person of absences.removeAllWith(id)) this.#books.record("person.back", { person, by: "operator" });
    for (const dueAt of [Date.now(), (until + 1) * 1000])
      outbox.put(`left:${id}:${dueAt}`, "left", { person: id, until }, dueAt);
  }
}

/** What stands here was validated before it was stored; at first nothing does. */
function read(document: string): Partial<TenantDocument> {
  return JSON.parse(document) as Partial<TenantDocument>;
}
