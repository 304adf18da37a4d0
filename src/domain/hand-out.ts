import { limitsOf, unitsOf, withoutLocation, type AccessDetail, type AccessUnit } from "./access.ts";
import type { DocumentProblem } from "./compiled-tenant.ts";
import { planExchange, type ExchangeAsk, type ExchangeFault, type ExchangePlan } from "./exchange.ts";
import { tightest, type Limits } from "./limits.ts";
import { err, type Result } from "./result.ts";
import type { Server, TenantDocument } from "./tenant.ts";
import type { Upstream } from "./upstream.ts";

/** Each is a credential that Stint stops knowing the use of; a server that needs more shall use the proxy. */
export const MAX_HAND_OUTS = 10;

/** Why an upstream's own token is not handed out. */
export type HandOutFault =
  | ExchangeFault
  /** The tenant did not write that this server may have it. */
  | "not_handed_out"
  /** The tenant wrote so, and the approver was not told. */
  | "not_shown"
  /** Nobody could hold whoever has it to them. */
  | "limited"
  /** The upstream cannot make one that holds no more than was granted. */
  | "not_narrowed"
  | "too_many_hand_outs"
  /** What the upstream gave never ends, or stands in no header: it stays here. */
  | "not_fit_to_leave";

/** What holds today, beside the grant. */
export interface HandOutTerms {
  readonly server: Server | undefined;
  /** What the approver was told, when the request was made. */
  readonly shown: readonly PossibleHandOut[];
  readonly allowedNow: (unit: AccessUnit) => boolean;
  readonly limitsNow: (unit: AccessUnit) => Limits;
}

/**
 * Decides what a server gets when it asks for an upstream's own token: what an exchange for the
 * upstream would yield, and only where nothing but the upstream has to hold it to that.
 *
 * @param now epoch seconds
 */
export function planHandOut(
  grant: { readonly authorization_details: readonly AccessDetail[]; readonly expires_at: number },
  ask: ExchangeAsk,
  { server, shown, allowedNow, limitsNow }: HandOutTerms,
  now: number,
): Result<ExchangePlan, HandOutFault> {
  const plan = planExchange(grant, ask, allowedNow, now);
  if (!plan.ok) return plan;
  if (ask.target.kind !== "upstream") return err("invalid_target");
  const upstream = ask.target.id;
  if (server?.encryption_key === undefined || !server.hand_out.includes(upstream)) return err("not_handed_out");
  const details = plan.value.authorization_details;
  const limits = tightest([
    limitsOf(grant.authorization_details, upstream),
    limitsOf(details, upstream),
    ...details.flatMap(unitsOf).map(limitsNow),
  ]);
  if (Object.keys(limits).length > 0) return err("limited");
  const isShown = shown.some(
    (handOut) =>
      handOut.server === server.id && handOut.upstream === upstream && details.flatMap(unitsOf).every(isIn(handOut)),
  );
  return isShown ? plan : err("not_shown");
}

/** What is wrong with the hand-outs that a document allows, that a schema cannot see. */
export function checkHandOuts({ servers, upstreams }: TenantDocument): DocumentProblem[] {
  return servers.flatMap(({ hand_out, encryption_key }, at) => [
    ...(hand_out.length > 0 && encryption_key === undefined
      ? [{ path: `/servers/${at}/encryption_key`, message: "is needed where hand_out names an upstream" }]
      : []),
    ...hand_out.flatMap((id, of) => {
      const message =
        hand_out.indexOf(id) === of
          ? whyNotHandedOut(upstreams.find((upstream) => upstream.id === id))
          : `"${id}" stands twice`;
      return message === undefined ? [] : [{ path: `/servers/${at}/hand_out/${of}`, message }];
    }),
  ]);
}

function whyNotHandedOut(upstream: Upstream | undefined): string | undefined {
  switch (upstream?.connector) {
    case "github_app":
    case "google_service_account":
      return undefined;
    case "oauth2":
    case "google_oauth":
      return upstream.scope_narrowing ? undefined : "its tokens hold more than was granted: scope_narrowing is off";
    case "api_key":
    case "slack":
      return "its key is the same for every session, and would outlive them all";
    case "jwt":
    case "aws":
      return "it issues no token of its own that could be handed out";
    case undefined:
      return "is no configured upstream";
  }
}

/** A token that leaves Stint is worth a warning every time the document is applied. */
export function warnHandOuts({ servers }: TenantDocument): DocumentProblem[] {
  return servers.flatMap(({ id, hand_out }, at) =>
    hand_out.map((upstream, of) => ({
      path: `/servers/${at}/hand_out/${of}`,
      message: `server ${id} may be handed ${upstream}'s own token: the proxy no longer holds that server to its grant`,
    })),
  );
}

/** A server that may be handed an upstream's own token in a session, and how that token ends. */
export interface PossibleHandOut {
  readonly server: string;
  readonly upstream: string;
  /** The server's tools that need the upstream, and the operations that they need. */
  readonly tools: readonly string[];
  readonly operations: readonly string[];
  readonly isTakenBack: boolean;
}

/** What these entries let a server have handed out: nothing where limits hold, for then nobody is. */
export function possibleHandOuts(
  servers: readonly Server[],
  details: readonly AccessDetail[],
  isTakenBack: (upstream: string) => boolean,
): PossibleHandOut[] {
  return servers.flatMap(({ id, hand_out, tools }) => {
    const granted = Object.entries(tools).filter(([tool]) => hasTool(details, id, [tool]));
    return hand_out.flatMap((upstream) => {
      const ofUpstream = (operation: string): boolean => operation.startsWith(`${upstream}:`);
      const candidate = {
        server: id,
        upstream,
        tools: granted.flatMap(([tool, { operations }]) => (operations.some(ofUpstream) ? [tool] : [])),
        operations: granted.flatMap(([, { operations }]) => operations.filter(ofUpstream)),
        isTakenBack: isTakenBack(upstream),
      };
      return isPossible(candidate, details) ? [candidate] : [];
    });
  });
}

/** Whether these entries, narrowed perhaps since the names were captured, still let it happen. */
export function isPossible(handOut: PossibleHandOut, details: readonly AccessDetail[]): boolean {
  return (
    Object.keys(limitsOf(details, handOut.upstream)).length === 0 &&
    hasTool(details, handOut.server, handOut.tools) &&
    details.flatMap(unitsOf).some(isIn(handOut))
  );
}

/** Whether what a server may be handed covers a unit. */
export function isIn({ operations }: PossibleHandOut): (unit: AccessUnit) => boolean {
  return (unit) => operations.includes(withoutLocation(unit));
}

function hasTool(details: readonly AccessDetail[], server: string, tools: readonly string[]): boolean {
  return details.some(
    (detail) =>
      detail.type === "mcp_tools" && detail.server === server && detail.actions.some((tool) => tools.includes(tool)),
  );
}
