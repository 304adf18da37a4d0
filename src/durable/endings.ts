import { err, ok, type Result } from "../domain/result.ts";
import { finish, revoke, type EndedBy } from "../domain/session.ts";
import { mintedFrom } from "./minted-tokens.ts";
import type { OneTime } from "./one-time.ts";
import type { SessionBooks } from "./session-books.ts";
import type { UseFault } from "./session-commands.ts";

/** How a session, or a token of it, is given up or taken away. Each method belongs into one transaction. */
export class Endings {
  readonly #books: SessionBooks;

  constructor(books: SessionBooks) {
    this.#books = books;
  }

  /** The agent is done. */
  finish(agent: string, proof: OneTime): Result<void, UseFault> {
    const used = this.#books.oneTime.consume(proof, this.#books.now());
    // An object too full to lend can still end: doing that twice harms nobody.
    if (!used.ok && used.error !== "overloaded") return used;
    const finished = finish(this.#books.store.state(), agent, this.#books.now());
    if (!finished.ok) return err("ended");
    this.#books.end(finished.value);
    return ok(undefined);
  }

  /** The agent takes back a request that nobody has decided yet. */
  withdraw(agent: string): Result<void, "unknown_session" | "not_pending"> {
    const state = this.#books.current();
    if (state.request.client_id !== agent) return err("unknown_session");
    if (state.status !== "pending") return err("not_pending");
    const withdrawn = finish(state, agent, this.#books.now());
    if (!withdrawn.ok) return err("not_pending");
    this.#books.end(withdrawn.value);
    return ok(undefined);
  }

  revoke(by: EndedBy, reason: string | undefined): "revoked" | "already_ended" {
    const revoked = revoke(this.#books.store.state(), by, reason, this.#books.now());
    if (revoked.ok) this.#books.end(revoked.value);
    return revoked.ok ? "revoked" : "already_ended";
  }

  /** And all that was minted from it. With its first token the session ends, with any other it goes on. */
  revokeToken(jti: string, by: EndedBy): void {
    const state = this.#books.current();
    if (state.status !== "active") return;
    if (state.first_token?.jti === jti) {
      this.revoke(by, undefined);
      return;
    }
    for (const token of [jti, ...mintedFrom(this.#books, jti)])
      if (this.#books.store.revokeToken(token)) this.#books.record("token.revoked", { jti: token });
    this.#books.takenAway.ring();
  }
}
