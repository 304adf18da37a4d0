import { Buffer } from "node:buffer";
import type { Admission } from "../domain/auditor.ts";
import { equalsConstantTime, hmac } from "./hash.ts";

/** Begins every auditor's token, so that it is told from an admin's, which may do everything. */
const PREFIX = "adt_";

/** An auditor's token: signed by what the admin tokens are derived from, so that nothing has to be stored. */
export function auditorToken(adminKey: Uint8Array, issuer: string, admission: Admission): string {
  const claims = Buffer.from(JSON.stringify(admission)).toString("base64url");
  return `${PREFIX}${claims}.${seal(adminKey, issuer, claims)}`;
}

/** What a token of this tenant admits to; undefined where it is none. Whether it still does is asked elsewhere. */
export function readAuditorToken(adminKey: Uint8Array, issuer: string, token: string): Admission | undefined {
  const [claims, mac, ...rest] = token.slice(PREFIX.length).split(".");
  if (!token.startsWith(PREFIX) || claims === undefined || mac === undefined || rest.length > 0) return undefined;
  if (!equalsConstantTime(mac, seal(adminKey, issuer, claims))) return undefined;
  return JSON.parse(Buffer.from(claims, "base64url").toString()) as Admission;
}

function seal(adminKey: Uint8Array, issuer: string, claims: string): string {
  return hmac(adminKey, `stint auditor\n${issuer}\n${claims}`);
}
