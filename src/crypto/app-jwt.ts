import { createPrivateKey } from "node:crypto";
import { importPKCS8, SignJWT } from "jose";

/**
 * Signs the JWT by which a GitHub App says who it is (RS256). GitHub hands the key out as PKCS#1,
 * operators also keep PKCS#8; undefined when the text is neither.
 *
 * @param claims `iat` and `exp` in epoch seconds
 */
export async function signAppJwt(
  pem: string,
  claims: { iss: string; iat: number; exp: number },
): Promise<string | undefined> {
  try {
    const pkcs8 = createPrivateKey(pem).export({ type: "pkcs8", format: "pem" });
    const key = await importPKCS8(String(pkcs8), "RS256");
    return await new SignJWT({ ...claims }).setProtectedHeader({ alg: "RS256", typ: "JWT" }).sign(key);
  } catch {
    return undefined;
  }
}
