import { sha256 } from "../crypto/hash.ts";

/** The same for every attempt to send one message, so that a receiver can drop repetitions. */
export function messageKey(sessionId: string, recipient: string, channel: string): string {
  return sha256(`${sessionId} ${recipient} ${channel}`);
}

/** The key in the shape of a UUID, for receivers that want one. */
export function messageUuid(sessionId: string, recipient: string, channel: string): string {
  const hex = [...messageKey(sessionId, recipient, channel)]
    .map((char) => char.charCodeAt(0).toString(16).padStart(2, "0"))
    .join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
