import { randomBytes } from "node:crypto";

const ID_BYTES = 16;

/** A fresh opaque identifier: its prefix and 128 random bits. */
export function newId(prefix: string): string {
  return prefix + randomBytes(ID_BYTES).toString("base64url");
}
