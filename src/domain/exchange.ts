import {
  intersect,
  isWithin,
  limit,
  limitsOf,
  narrow,
  serverPlace,
  unitsOf,
  withoutLocation,
  type AccessDetail,
  type AccessUnit,
} from "./access.ts";
import { err, ok, type Result } from "./result.ts";

/** The longest life of an access token, in seconds. */
export const MAX_ACCESS_TOKEN_SECONDS = 300;

/** What is exchanged: the agent's session token, or the access token that a server was given. */
export type Subject =
  | { readonly kind: "session" }
  | {
      readonly kind: "access";
      /** The one audience it names. */
      readonly audience: string;
      readonly authorization_details: readonly AccessDetail[];
      readonly expires_at: number;
      readonly delegated: boolean;
    };

/** Who exchanges, as they authenticated. */
export type Exchanger = { readonly kind: "agent" } | { readonly kind: "server"; readonly resource: string };

/** Where the result shall be good: an upstream behind the proxy, or a registered server. */
export type Target =
  | { readonly kind: "upstream"; readonly id: string; readonly audience: string }
  | {
      readonly kind: "server";
      readonly id: string;
      readonly audience: string;
      /** For each tool, the `upstream:operation` names it needs. */
      readonly tools: { readonly [tool: string]: readonly string[] };
      /**
       * Whether Stint sees each call that is made with the token, as at the gateway. What it does not see
       * it cannot count, so there is no such token where limits hold.
       */
      readonly isCounted: boolean;
    }
  /** Stint's own tools, through which everything that was granted can be used. */
  | { readonly kind: "stint"; readonly audience: string };

export interface ExchangeAsk {
  readonly subject: Subject;
  readonly exchanger: Exchanger;
  readonly target: Target;
  /** A narrower set than the subject has, or all that the target can get. */
  readonly requested?: readonly AccessDetail[] | undefined;
  /** A shorter life than the longest, in seconds. */
  readonly expiresInSeconds?: number | undefined;
  /** What today's policy limits of a target whose calls are not counted. */
  readonly limitedNow?: readonly AccessUnit[] | undefined;
}

export interface ExchangePlan {
  readonly authorization_details: readonly AccessDetail[];
  readonly expires_at: number;
}

export type ExchangeFault =
  | "wrong_subject"
  | "second_hop"
  | "not_the_audience"
  | "subject_expired"
  | "invalid_target"
  | "wider_than_subject"
  | "not_counted"
  | "outlives_session";

/**
 * Decides what an exchange yields. One rule holds it together: the result is an intersection, so it
 * can never be wider than its subject, than the grant, or than the policy of today.
 *
 * @param grant what the session was granted, and its end
 * @param allowedNow the policy in force
 * @param now epoch seconds
 */
export function planExchange(
  grant: { readonly authorization_details: readonly AccessDetail[]; readonly expires_at: number },
  ask: ExchangeAsk,
  allowedNow: (unit: AccessUnit) => boolean,
  now: number,
): Result<ExchangePlan, ExchangeFault> {
  const { subject, exchanger, target } = ask;
  if (exchanger.kind === "agent" && subject.kind !== "session") return err("wrong_subject");
  if (exchanger.kind === "server") {
    if (subject.kind !== "access") return err("wrong_subject");
    if (subject.delegated) return err("second_hop");
    if (subject.audience !== exchanger.resource) return err("not_the_audience");
    if (target.kind !== "upstream") return err("invalid_target");
  }
  const held =
    subject.kind === "session"
      ? grant.authorization_details
      : intersect(subject.authorization_details, grant.authorization_details);
  const latest = subject.kind === "session" ? grant.expires_at : Math.min(grant.expires_at, subject.expires_at);
  if (now >= latest) return err("subject_expired");

  const available = narrow(partFor(target, held), allowedNow);
  if (available.length === 0) return err("invalid_target");
  const requested = ask.requested === undefined ? undefined : withLimitsLeftOut(ask.requested, available);
  if (requested !== undefined && !isWithin(requested, available)) return err("wider_than_subject");
  const authorization_details = requested ?? available;
  if (escapesCounting(target, authorization_details, ask.limitedNow)) return err("not_counted");

  const longest = Math.min(now + MAX_ACCESS_TOKEN_SECONDS, latest);
  if (ask.expiresInSeconds !== undefined && now + ask.expiresInSeconds > longest) return err("outlives_session");
  return ok({
    authorization_details,
    expires_at: ask.expiresInSeconds === undefined ? longest : now + ask.expiresInSeconds,
  });
}

/**
 * Who narrows by operation need not repeat the limits: an entry without any has those of what it is
 * taken from. A limit that is stated and higher stays as it is, and is refused.
 */
function withLimitsLeftOut(requested: readonly AccessDetail[], available: readonly AccessDetail[]): AccessDetail[] {
  return limit(requested, (place) => {
    const stated = limitsOf(requested, place);
    return Object.fromEntries(
      Object.entries(limitsOf(available, place)).filter(([name]) => !Object.hasOwn(stated, name)),
    );
  });
}

/** Whether limits hold for what a token lets be done where nobody counts it. */
function escapesCounting(
  target: Target,
  details: readonly AccessDetail[],
  limitedNow: readonly AccessUnit[] = [],
): boolean {
  if (target.kind !== "server" || target.isCounted) return false;
  const isLimited = Object.keys(limitsOf(details, serverPlace(target.id))).length > 0;
  return isLimited || details.flatMap(unitsOf).some((unit) => limitedNow.includes(unit));
}

/**
 * Decides what a code yields: a client in a browser cannot exchange, so its one token is for the
 * audience it named, and lives as long as the session that the human approved.
 *
 * @param target undefined for the issuer itself: the token is then a session token
 */
export function planCodeToken(
  grant: { readonly authorization_details: readonly AccessDetail[]; readonly expires_at: number },
  target: Target | undefined,
  allowedNow: (unit: AccessUnit) => boolean,
  limitedNow?: readonly AccessUnit[],
): Result<ExchangePlan, "invalid_target" | "not_counted"> {
  if (target === undefined) return ok(grant);
  const available = narrow(partFor(target, grant.authorization_details), allowedNow);
  if (available.length === 0) return err("invalid_target");
  if (escapesCounting(target, available, limitedNow)) return err("not_counted");
  return ok({ authorization_details: available, expires_at: grant.expires_at });
}

/**
 * The part of a grant that a target may hold: an upstream its own entries, a server its tools and
 * the operations that those tools need.
 */
function partFor(target: Target, held: readonly AccessDetail[]): readonly AccessDetail[] {
  if (target.kind === "stint") return held;
  if (target.kind === "upstream") {
    return held.filter((detail) => detail.type === "upstream_access" && detail.upstream === target.id);
  }
  const tools = held.filter((detail) => detail.type === "mcp_tools" && detail.server === target.id);
  const needed = new Set(
    tools
      .flatMap((detail) => detail.actions)
      .flatMap((tool) => (Object.hasOwn(target.tools, tool) ? target.tools[tool]! : [])),
  );
  const access = narrow(held, (unit, detail) => detail.type === "upstream_access" && needed.has(withoutLocation(unit)));
  return [...tools, ...access];
}
