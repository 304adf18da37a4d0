import * as z from "zod/v4";

const PUBLIC_ONLY = "must be a public key and nothing else: kty, kid, its parameters, and use or alg";
const onlyPublic = ({ code }: { readonly code?: string | undefined }) =>
  code === "unrecognized_keys" ? PUBLIC_ONLY : undefined;

const about = { kid: z.string().regex(/^[!-~]{1,200}$/, "must be visible ASCII"), use: z.literal("enc").optional() };
/** 32 bytes, RFC 7518 §6.2.1.2. */
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be 32 bytes in base64url");

/**
 * A server's key for what is encrypted to it. One with private members is refused: it would lie open
 * for whoever reads the document.
 */
export const encryptionKeySchema = z.discriminatedUnion("kty", [
  z.strictObject(
    {
      kty: z.literal("EC"),
      crv: z.literal("P-256"),
      x: coordinate,
      y: coordinate,
      alg: z.literal("ECDH-ES+A256KW").optional(),
      ...about,
    },
    { error: onlyPublic },
  ),
  z.strictObject(
    {
      kty: z.literal("RSA"),
      // 2048 to 4096 bits. RFC 7518 §6.3.1.1 has no leading zeros, which would make a short modulus look long.
      n: z
        .string()
        .regex(/^[g-z0-9_-][A-Za-z0-9_-]{341,682}$|^[B-Za-f][A-Za-z0-9_-]{342,682}$/, "must be 2048 to 4096 bits"),
      e: z.literal("AQAB"),
      alg: z.literal("RSA-OAEP-256").optional(),
      ...about,
    },
    { error: onlyPublic },
  ),
]);
