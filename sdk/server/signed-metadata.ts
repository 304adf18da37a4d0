import { SignJWT } from "jose";
import { canonicalJson } from "../shared/canonical-json.ts";
import { hold, type RegisteredKey } from "../shared/client-key.ts";
import { sha256 } from "../shared/digest.ts";

const TYPE = "stint-metadata+jwt";
const DEFINITIONS_CLAIM = "urn:stint:params:oauth:metadata:tool_definitions";
/** The name under which what a server says of itself stands among its tools. */
const INSTRUCTIONS = "(instructions)";
const USUAL_LIFETIME_DAYS = 7;
const DAY_SECONDS = 24 * 3600;

/** What a server shows of its tools: exactly as `tools/list` and `initialize` do, to the letter. */
export interface ShownDefinitions {
  readonly tools: readonly { readonly name: string }[];
  readonly instructions?: string;
}

export interface SigningOptions {
  /** The tenant's issuer. */
  readonly issuer: string;
  /** This server's `resource`, as it is registered, and the private half of a key of its `jwks`. */
  readonly resource: string;
  readonly key: RegisteredKey;
  /** How long it counts; 7 days, unless told, and 30 at most. */
  readonly lifetimeDays?: number;
}

/**
 * Signs what a server shows, as the `signed_metadata` of its protected resource metadata (RFC 9728 §2.2).
 * Where its owner chose `"definitions": "signed"`, Stint accepts it by that. Sign once for each release, and
 * in time before it is over: of two, Stint takes the one that was signed later.
 */
export async function signMetadata(
  { tools, instructions }: ShownDefinitions,
  { issuer, resource, key, lifetimeDays = USUAL_LIFETIME_DAYS }: SigningOptions,
): Promise<string> {
  const { privateKey, alg, kid } = await hold(key);
  const said = instructions === undefined ? [] : [[INSTRUCTIONS, instructions] as const];
  const shown = [...tools.map((tool) => [tool.name, tool] as const), ...said];
  const digests = await Promise.all(
    shown.map(async ([name, definition]) => [name, await sha256(canonicalJson(definition))] as const),
  );
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({
    resource,
    authorization_servers: [issuer],
    [DEFINITIONS_CLAIM]: Object.fromEntries(digests),
  })
    .setProtectedHeader({ alg, typ: TYPE, ...(kid === undefined ? {} : { kid }) })
    .setIssuer(resource)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeDays * DAY_SECONDS)
    .sign(privateKey);
}
