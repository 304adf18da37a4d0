import * as z from "zod/v4";
import { err, ok, type Result } from "../domain/result.ts";
import type { Outbound } from "./outbound.ts";

const DEADLINE_MS = 10_000;
const MAX_METADATA_BYTES = 65_536;
/** How long what a server said of itself is believed, in seconds. */
const METADATA_LIFETIME_SECONDS = 600;
/** More authorization servers than a broker has upstreams. */
const MAX_REMEMBERED = 500;

const address = z.url({ protocol: /^https?$/ }).max(500);
const metadata = z.object({
  issuer: z.string(),
  token_endpoint: address,
  authorization_endpoint: address.optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});

/** What an authorization server says of itself, as far as Stint needs it. */
export type ServerMetadata = z.infer<typeof metadata>;

const remembered = new Map<string, { readonly server: ServerMetadata; readonly until: number }>();

/**
 * What an authorization server says in its metadata, RFC 8414 §3, or as an OpenID provider. Metadata
 * that names another issuer is refused (§3.3): it would send our secrets elsewhere.
 *
 * @param now epoch seconds
 */
export async function discoverServer(
  issuer: string,
  outbound: Outbound,
  now: number,
): Promise<Result<ServerMetadata, "unavailable">> {
  const known = remembered.get(issuer);
  if (known !== undefined && known.until > now) return ok(known.server);
  for (const url of metadataAddresses(issuer)) {
    const answer = await outbound.text({
      url,
      method: "GET",
      headers: { accept: "application/json" },
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_METADATA_BYTES,
    });
    if (!answer.ok || answer.value.status !== 200) continue;
    const found = parse(answer.value.text);
    if (found?.issuer !== issuer) continue;
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(issuer, { server: found, until: now + METADATA_LIFETIME_SECONDS });
    return ok(found);
  }
  return err("unavailable");
}

/** RFC 8414 §3 puts the well-known part before the issuer's path, OpenID Connect Discovery after it. */
function metadataAddresses(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname === "/" ? "" : pathname.replace(/\/$/, "");
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}

function parse(text: string): ServerMetadata | undefined {
  try {
    return metadata.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
