import { unitsOf, type AccessUnit } from "../domain/access.ts";
import type { Grant } from "../domain/grant.ts";
import { compilePatterns } from "../domain/pattern.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { planServerToken } from "../domain/server-calls.ts";
import type { ExchangeFault } from "../domain/exchange.ts";
import type { Metering, CallFault } from "./metering.ts";
import { recordMint } from "./minted-tokens.ts";
import { identityOf } from "./redemption.ts";
import type { SessionBooks } from "./session-books.ts";
import type { Minting, ServerCallCommand, ServerPermit } from "./session-commands.ts";

export type ServerCallFault = CallFault | ExchangeFault;

/**
 * Lets requests through to registered servers: the gateway's exchange and its accounting in one
 * transaction. Synchronous, for whoever wraps it in one.
 */
export class ServerCalls {
  readonly #books: SessionBooks;
  readonly #metering: Metering;

  constructor(books: SessionBooks, metering: Metering) {
    this.#books = books;
    this.#metering = metering;
  }

  authorize(command: ServerCallCommand): Result<ServerPermit, ServerCallFault> {
    const { token, standing, calls, ahead = [] } = command;
    const live = this.#books.live(token, standing);
    const ungranted = live.ok ? ungrantedOf([...calls, ...ahead], live.value.grant) : undefined;
    if (ungranted !== undefined) return this.#refuse(command, "not_granted", ungranted);
    const planned = live.ok ? this.#plan(command, calls) : undefined;
    if (planned?.ok === false) return this.#refuse(command, planned.error);
    const reserved = calls.length === 0 ? this.#connect(command) : this.#call(command);
    if (!reserved.ok) return reserved;
    const permit = this.#mint(command);
    return permit.ok ? ok({ ...permit.value, reserved_bytes: reserved.value }) : permit;
  }

  #refuse(
    command: ServerCallCommand,
    reason: ExchangeFault | "not_granted",
    unit?: AccessUnit,
  ): Result<never, ServerCallFault> {
    const used = this.#books.use(command);
    if (!used.ok) return used;
    const { token, target, method } = command;
    this.#books.refuse({ reason, unit, server: target.id, jti: token.jti, method });
    return err(reason);
  }

  /** Answers the bytes that were reserved. */
  #connect(command: ServerCallCommand): Result<number, ServerCallFault> {
    const used = this.#books.use(command);
    if (!used.ok) return used;
    const { upstream, limits, bodyBytes } = command;
    const reserved = this.#metering.reserveMore({ upstream, limits, neededBytes: bodyBytes, spareBytes: 0 });
    return reserved;
  }

  /** Counts the calls and writes one event for each: who called what at which server, under which grant. */
  #call(command: ServerCallCommand): Result<number, ServerCallFault> {
    const live = this.#books.live(command.token, command.standing);
    if (!live.ok) this.#books.refuse({ reason: live.error, jti: command.token.jti });
    if (!live.ok) return live;
    const { request, grant_digest } = live.value;
    const { client_id, session_id } = request;
    const about = { server: command.target.id, client_id, session_id, grant_digest };
    const authorized = this.#metering.authorize({ ...command, about });
    return authorized.ok ? ok(authorized.value.reservedBytes) : authorized;
  }

  #plan({ standing, held, heldUntil, target }: ServerCallCommand, calls: ServerCallCommand["calls"]) {
    const state = this.#books.current();
    if (state.status !== "active") return err("subject_expired" as const);
    return planServerToken(
      state.grant,
      { held, heldUntil, target, calls },
      compilePatterns(standing.allow),
      this.#books.now(),
    );
  }

  /** No token without its event. */
  #mint(command: ServerCallCommand): Result<Omit<ServerPermit, "reserved_bytes">, ExchangeFault> {
    const plan = this.#plan(command, command.calls);
    const state = this.#books.current();
    if (!plan.ok) return plan;
    if (state.status !== "active") return err("subject_expired");
    const { jti, jkt } = command.mint;
    const { audience } = command.target;
    const bound = jkt === undefined ? {} : { jkt };
    recordMint(this.#books, state, command.token, { jti, ...bound, audience, expires_at: plan.value.expires_at });
    const { grant, grant_digest } = state;
    const token: Minting = { ...identityOf(grant), ...plan.value, jti, ...bound, grant_digest, audience };
    return ok({ token, ends_at: grant.expires_at });
  }
}

function ungrantedOf(calls: ServerCallCommand["calls"], { authorization_details }: Grant): AccessUnit | undefined {
  const granted = new Set(authorization_details.flatMap(unitsOf));
  return calls.find(({ unit }) => !granted.has(unit))?.unit;
}
