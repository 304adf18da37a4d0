import type { UnitCall } from "../domain/judged-calls.ts";
import type { Limits } from "../domain/limits.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Upstream } from "../domain/upstream.ts";
import type { Session } from "../durable/session.ts";
import type { CallCommand } from "../durable/session-commands.ts";
import type { Challenge } from "../protocol/dpop.ts";
import type { WireError } from "../protocol/wire-error.ts";
import { ByteMeter } from "./byte-meter.ts";
import type { Handling } from "./http.ts";
import { presented } from "./objects.ts";
import type { PassingBody } from "./passing-body.ts";
import type { Bearing } from "./proof.ts";
import { leftAlone } from "./proxy-errors.ts";
import { useErrorAtResource } from "./session-errors.ts";
import type { UpstreamHealth } from "./upstream-health.ts";

/** A request on its way out, by the proxy or the gateway: who makes it is proved, and all that it does was judged. */
export interface OutgoingCall {
  readonly c: Handling;
  readonly bearing: Bearing;
  readonly session: DurableObjectStub<Session>;
  /** Where it goes, and what it is counted under. */
  readonly upstream: Pick<Upstream, "id" | "base_url">;
  readonly health: UpstreamHealth;
  /** Where the caller called: what stands before the path. */
  readonly audience: string;
  readonly calls: readonly UnitCall[];
  /** Of the token and of today's policy. */
  readonly limits: Limits;
  /** The caller's, of which those that may pass are passed. */
  readonly headers: Headers;
  /** Further ones that pass, because they were found to say what the body says. */
  readonly mirrored?: Readonly<Record<string, string>>;
  readonly body: PassingBody;
}

/**
 * Whether the upstream is called at all now. One that is left alone for a while is sent nothing, and
 * nothing is used up; but a session that has ended learns that first. Whoever entered tells the
 * upstream's health how it went.
 */
export async function enter(
  { bearing, session, health }: OutgoingCall,
  challenge: Challenge,
): Promise<Result<void, WireError>> {
  const waitSeconds = health.enter();
  if (waitSeconds === 0) return ok(undefined);
  const live = await session.introspect(presented(bearing.token), bearing.standing);
  return err(live.ok ? leftAlone(waitSeconds) : useErrorAtResource(live.error, challenge));
}

/** What the session is asked before the call goes. */
export function callCommand({ c, bearing, upstream, calls, limits, body }: OutgoingCall): CallCommand {
  const { token, proof, standing } = bearing;
  return {
    token: presented(token),
    proof: proof.oneTime,
    standing,
    upstream: upstream.id,
    calls,
    method: c.req.method,
    limits,
    bodyBytes: body.bytes ?? 0,
  };
}

/** Counts what passes of a call that its session let through. */
export function meterOf({ c, session, upstream, limits, body }: OutgoingCall, reservedBytes: number): ByteMeter {
  const later = (work: Promise<void>): void => c.executionCtx.waitUntil(work);
  return new ByteMeter({ session, upstream: upstream.id, limits, reservedBytes, body, later });
}
