import { canonicalJson } from "./canonical-json.ts";
import type { PublicJwk, Server } from "./tenant.ts";

/** A tool as its server describes it: what a model reads, and so what it can be misled by. */
export interface ShownTool {
  readonly name: string;
  /** The definition, as canonical JSON (RFC 8785). */
  readonly definition: string;
  /** Its SHA-256. */
  readonly digest: string;
}

/** For each tool the digest of a definition. */
export type AcceptedTools = { readonly [tool: string]: string };

/**
 * The tools that nobody has accepted as they are shown. One that is left out is no difference: a
 * server may show each caller the tools that are theirs.
 */
export function differences(shown: readonly ShownTool[], accepted: AcceptedTools): ShownTool[] {
  return shown.filter(({ name, digest }) => !Object.hasOwn(accepted, name) || accepted[name] !== digest);
}

/** What a server said of its own tools, signed by a key of its registration. */
export interface SignedDefinitions {
  readonly tools: AcceptedTools;
  /** The resource that it says this of. */
  readonly resource: string;
  /** Epoch seconds. */
  readonly issued_at: number;
  readonly expires_at: number;
  /** The key, as {@link keyName} writes it. */
  readonly key: string;
}

/** What is written down of a server's definitions. */
export interface KnownDefinitions {
  /** What its owner accepted. */
  readonly accepted: AcceptedTools;
  /** The newest that was accepted by signature. */
  readonly signed?: SignedDefinitions | undefined;
  /** The digest of what it shows and nobody has accepted; undefined when there is no difference. */
  readonly proposal?: string | undefined;
}

/** What counts of a server's definitions now. */
export interface ServerDefinitions {
  /** By its owner, or by a signature that holds. */
  readonly accepted: AcceptedTools;
  readonly proposal?: string | undefined;
  /** Whether something was accepted by a signature alone that holds no more: it is over, or its key was taken away. */
  readonly lapsed?: true | undefined;
}

/** What Stint knows of a server that nobody has used yet. */
export const NEVER_SEEN: ServerDefinitions = { accepted: {} };

/** What counts of one server: what stands under its own name, and nothing that every object inherits (`constructor`). */
export function definitionsOf(
  servers: { readonly [server: string]: ServerDefinitions },
  id: string,
): ServerDefinitions {
  return (Object.hasOwn(servers, id) ? servers[id] : undefined) ?? NEVER_SEEN;
}

/** A public key by its required members alone, RFC 7638 §3.1: what its thumbprint is made of. */
export function keyName({ crv, e, kty, n, x, y }: PublicJwk): string {
  return canonicalJson({ crv, e, kty, n, x, y });
}

/**
 * What counts of what is known: a signature only as long as its owner goes by signatures, the key is one
 * of the registration, and the statement is of this resource and not over. What the owner accepted
 * after it goes before it.
 *
 * @param now epoch seconds
 */
export function inForce(
  { accepted, signed, proposal }: KnownDefinitions,
  { definitions, resource, jwks }: Pick<Server, "definitions" | "resource" | "jwks">,
  now: number,
): ServerDefinitions {
  const waits = proposal === undefined ? {} : { proposal };
  if (signed === undefined) return { accepted, ...waits };
  const holds =
    definitions === "signed" &&
    signed.resource === resource &&
    now < signed.expires_at &&
    jwks?.keys.some((key) => keyName(key) === signed.key) === true;
  if (holds) return { accepted: { ...signed.tools, ...accepted }, ...waits };
  const isMissed = Object.keys(signed.tools).some((tool) => !Object.hasOwn(accepted, tool));
  return { accepted, ...waits, ...(isMissed ? { lapsed: true } : {}) };
}

/**
 * Whether no token is made for a server by any way, because it changed after it was accepted, or was accepted
 * by a signature and is to be accepted by its owner now. One that was never accepted is only kept from the
 * gateway, because it may guard itself without it.
 */
export function isHeld(
  { accepted, proposal, lapsed }: ServerDefinitions,
  { definitions }: Pick<Server, "definitions">,
): boolean {
  const wasAccepted = lapsed === true || Object.keys(accepted).length > 0;
  return (proposal !== undefined && wasAccepted) || (lapsed === true && definitions === "pinned");
}

/** Whether a server that is accepted by signature has shown none that holds, and its owner has accepted nothing in its place. */
export function hasToProve(
  { accepted, lapsed }: ServerDefinitions,
  { definitions }: Pick<Server, "definitions">,
): boolean {
  return definitions === "signed" && (lapsed === true || Object.keys(accepted).length === 0);
}
