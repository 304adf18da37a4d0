import { intersect, narrow, toolUnit, type AccessDetail, type AccessUnit } from "./access.ts";
import type { BodyCall } from "./body-calls.ts";
import { planExchange, type ExchangeFault, type ExchangePlan, type Target } from "./exchange.ts";
import { judgeCalls, type CallsFault, type UnitCall } from "./judged-calls.ts";
import { err, ok, type Result } from "./result.ts";
import type { Server } from "./tenant.ts";
import type { AcceptedTools } from "./tool-definitions.ts";

/** By which a client learns what a server offers and says of itself; answers are compared with what the owner accepted. */
const SHOWING: ReadonlySet<string> = new Set(["tools/list", "initialize", "server/discover"]);

/**
 * Methods that only connect and list. Prompts and resources are not among them: no owner has accepted
 * what stands in those, and no grant names them.
 */
const CONNECTING: ReadonlySet<string> = new Set([
  ...SHOWING,
  "ping",
  "logging/setLevel",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
]);

/** What one request would have a server do. */
export interface ServerRequest {
  /** The tools it calls; none in a request that only connects or lists. */
  readonly calls: readonly UnitCall[];
  /** Whether what it answers is what a model goes by. */
  readonly showsTools: boolean;
}

/**
 * Decides a request to a server: connecting and listing is open to whoever may use any tool of it, a
 * tool is called by its exact name and grant alone, and one call that may not be refuses them all.
 */
export function judgeServerRequest(
  server: Server,
  calls: readonly BodyCall[],
  mayCall: (unit: AccessUnit) => boolean,
): Result<ServerRequest, CallsFault> {
  const tools: string[] = [];
  let showsTools = false;
  for (const call of calls) {
    if (call.kind === "tool") tools.push(call.tool);
    else if (call.kind !== "method" || !CONNECTING.has(call.method)) return err({ reason: "unknown_operation" });
    else showsTools ||= SHOWING.has(call.method);
  }
  if (tools.length === 0) return ok({ calls: [], showsTools });
  const meanings = tools.map((name) => {
    const tool = Object.hasOwn(server.tools, name) ? server.tools[name] : undefined;
    return tool === undefined ? [] : [{ operation: `${server.id}:${name}`, access: tool.access, cost: tool.cost ?? 1 }];
  });
  const judged = judgeCalls("mcp", meanings, mayCall);
  return judged.ok ? ok({ calls: judged.value, showsTools }) : judged;
}

/** All that a session may do at a server, as units. */
export function toolsOf(server: Server): AccessUnit[] {
  return Object.keys(server.tools).map((tool) => toolUnit(server.id, tool));
}

/** What was shown at the gateway, and where it shall lead. */
export interface ServerAsk {
  /** What the token that was shown holds; undefined for the session's own, which may all that the session may by now. */
  readonly held: readonly AccessDetail[] | undefined;
  /** When it ends, epoch seconds. */
  readonly heldUntil: number;
  readonly target: Extract<Target, { kind: "server" }>;
  /** The tools that are called. */
  readonly calls: readonly UnitCall[];
}

/**
 * Decides what the gateway's own exchange yields, by the rule of every exchange. It lends the tools
 * that are called and what these need, nothing else; to connect and to list, no upstream's access, so
 * that a server whose definitions nobody has looked at yet can turn its token into nothing.
 *
 * @param now epoch seconds
 */
export function planServerToken(
  grant: { readonly authorization_details: readonly AccessDetail[]; readonly expires_at: number },
  { held, heldUntil, target, calls }: ServerAsk,
  allowedNow: (unit: AccessUnit) => boolean,
  now: number,
): Result<ExchangePlan, ExchangeFault> {
  const called = new Set(calls.map(({ unit }) => unit));
  const all = held === undefined ? grant.authorization_details : intersect(held, grant.authorization_details);
  const part = narrow(all, (unit, detail) =>
    calls.length === 0 ? detail.type === "mcp_tools" : detail.type === "upstream_access" || called.has(unit),
  );
  const lent = { authorization_details: part, expires_at: Math.min(grant.expires_at, heldUntil) };
  const ask = { subject: { kind: "session" }, exchanger: { kind: "agent" }, target } as const;
  return planExchange(lent, ask, allowedNow, now);
}

/**
 * The tools among these calls of which nobody has accepted any definition: a server that shows none is
 * called by their names all the same, and does what nobody has read.
 */
export function neverAccepted(
  server: Server,
  calls: readonly Pick<UnitCall, "unit">[],
  accepted: AcceptedTools,
): AccessUnit[] {
  const known = new Set(Object.keys(accepted).map((tool) => toolUnit(server.id, tool)));
  return calls.map(({ unit }) => unit).filter((unit) => !known.has(unit));
}
