import { digestOf } from "../crypto/hash.ts";
import { unitsOf } from "../domain/access.ts";
import type { BreakGlass } from "../domain/break-glass.ts";
import type { Grant, Narrowing } from "../domain/grant.ts";
import { err, ok, type Result } from "../domain/result.ts";
import {
  approve,
  breakGlass,
  deny,
  draftGrant,
  typeCode,
  type ActiveSession,
  type BreakGlassConflict,
  type DecideFault,
  type Decider,
  type EndedSession,
  type PendingSession,
  type TypedCode,
} from "../domain/session.ts";
import type { SessionBooks } from "./session-books.ts";

/** What humans decide of a session. Each method belongs into one transaction; {@link draft} only looks. */
export class Decisions {
  readonly #books: SessionBooks;

  constructor(books: SessionBooks) {
    this.#books = books;
  }

  /** The grant that a narrowing would make, and its digest. */
  draft(decider: Decider, narrowing: Narrowing): Result<{ grant: Grant; digest: string }, DecideFault> {
    const grant = draftGrant(this.#books.store.state(), decider, narrowing, this.#books.now());
    return grant.ok ? ok({ grant: grant.value, digest: digestOf(grant.value) }) : grant;
  }

  approve(
    decider: Decider,
    seen: Narrowing & { readonly digest: string },
  ): Result<ActiveSession | PendingSession, DecideFault> {
    const approved = approve(this.#books.store.state(), decider, seen, digestOf, this.#books.now());
    if (!approved.ok) return this.#refuse(decider, approved.error);
    const { status } = approved.value;
    const { grant, grant_digest } = approved.value.status === "active" ? approved.value : approved.value.proposal!;
    this.#books.store.write(approved.value);
    this.#books.record("decision.approved", {
      person: decider.person,
      on_behalf_of: decider.on_behalf_of,
      break_glass: decider.break_glass,
      assurance: decider.assurance,
      agent_trust: grant.agent_trust,
      grant_digest,
      units: grant.authorization_details.flatMap(unitsOf),
      expires_at: grant.expires_at,
      ...(status === "pending" ? { awaits_others: true } : {}),
    });
    if (status === "pending") {
      this.#books.queue(`release:${decider.person}`, { kind: "release", person: decider.person });
      return approved;
    }
    this.#books.queueOutcome();
    this.#books.queue("index:active", { kind: "index" });
    this.#books.queue("settle", { kind: "settle" });
    if (approved.value.request.extends !== undefined) this.#books.queue("step_up", { kind: "step_up" });
    return approved;
  }

  deny(decider: Decider, digest: string): Result<EndedSession, DecideFault> {
    const denied = deny(this.#books.store.state(), decider, digest, this.#books.now());
    if (!denied.ok) return this.#refuse(decider, denied.error);
    this.#books.record("decision.denied", {
      person: decider.person,
      on_behalf_of: decider.on_behalf_of,
      assurance: decider.assurance,
      request_digest: digest,
      ...(decider.via === undefined ? {} : { via: decider.via }),
    });
    this.#books.end(denied.value);
    return denied;
  }

  /** Takes a match code that a person typed; a wrong one is counted, and written down. */
  typeCode(person: string, isRight: boolean): TypedCode {
    const { typed, state } = typeCode(this.#books.current(), isRight);
    if (state !== undefined) this.#books.store.write(state);
    if (typed !== "right") this.#books.refuse({ reason: "wrong_match_code", person });
    return typed;
  }

  /** Lets an admin decide alone; again, it changes nothing. */
  breakGlass(broken: BreakGlass): Result<PendingSession, BreakGlassConflict> {
    const before = this.#books.current();
    const changed = breakGlass(before, broken, this.#books.now());
    if (!changed.ok || before.broken !== undefined) return changed;
    this.#books.store.write(changed.value);
    this.#books.record("glass.broken", { person: broken.person, reason: broken.reason });
    this.#books.queue("glass", { kind: "glass" });
    return changed;
  }

  /** A second look at a decided request is what people do; anything else is written down. */
  #refuse(decider: Decider, fault: DecideFault): { ok: false; error: DecideFault } {
    if (fault.reason !== "already_decided" && fault.reason !== "request_expired")
      this.#books.refuse({ reason: fault.reason, person: decider.person });
    return err(fault);
  }
}
