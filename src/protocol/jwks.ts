import * as z from "zod/v4";
import type { Json } from "../domain/canonical-json.ts";
import type { PublicJwks } from "../domain/tenant.ts";

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const publicJwk = z
  .looseObject({
    kty: z.enum(["EC", "RSA", "OKP"]),
    kid: z.string().min(1).max(200).optional(),
    alg: z.enum(["ES256", "PS256", "EdDSA", "Ed25519"]).optional(),
    use: z.literal("sig").optional(),
    crv: z.enum(["P-256", "Ed25519"]).optional(),
    x: z.string().optional(),
    y: z.string().optional(),
    n: z.string().optional(),
    e: z.string().optional(),
  })
  .refine(
    (jwk) => !PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member)),
    "must be a public key: never put a private or symmetric key here",
  );
/** A public key set, RFC 7517 §5: no private or symmetric key, no two keys of one name. */
export const jwksSchema = z.strictObject({ keys: z.array(publicJwk).max(10) }).refine(({ keys }) => {
  const kids = keys.map((key) => key.kid).filter((kid) => kid !== undefined);
  return new Set(kids).size === kids.length;
}, "has two keys with the same kid");

const MAX_REMOTE_KEYS = 50;

/**
 * Reads a key set that somebody publishes. Keys for other purposes are left aside; a set that shows a
 * private or symmetric key, or two keys of one name, is not to be trusted with anything.
 */
export function readRemoteJwks(value: Json | undefined): PublicJwks | undefined {
  const parsed = z.looseObject({ keys: z.array(z.looseObject({})).max(MAX_REMOTE_KEYS) }).safeParse(value);
  if (!parsed.success) return undefined;
  const { keys } = parsed.data;
  if (keys.some((key) => key["kty"] === "oct" || PRIVATE_MEMBERS.some((member) => Object.hasOwn(key, member))))
    return undefined;
  const kids = keys.map((key) => key["kid"]).filter((kid) => kid !== undefined);
  if (new Set(kids).size !== kids.length) return undefined;
  return { keys: keys.flatMap((key) => publicJwk.safeParse(key).data ?? []) };
}
