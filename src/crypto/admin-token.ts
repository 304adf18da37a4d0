import { hmac } from "./hash.ts";

/** A tenant's admin token: derived, so that one tenant's opens no other, and nothing has to be stored. */
export function adminToken(adminKey: Uint8Array, issuer: string): string {
  return `adm_${hmac(adminKey, `stint admin\n${issuer}`)}`;
}
