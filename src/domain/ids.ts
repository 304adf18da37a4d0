/** What an identifier is, told by its prefix. */
export const ID_PREFIXES = {
  session: "ses_",
  request: "req_",
  code: "cod_",
  pushed: "par_",
  invitation: "inv_",
  signIn: "sin_",
  token: "tok_",
  link: "lnk_",
  lease: "lse_",
  receipt: "rct_",
} as const;

/** 128 bits in base64url. */
const BODY = "[A-Za-z0-9_-]{22}";
const SESSION_ID = new RegExp(`^${ID_PREFIXES.session}${BODY}$`);

export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}

/**
 * Names an object by the things it stands for. Lengths make the name one-to-one, so no separator
 * inside a client's own identifier can make two things share an object.
 */
export function objectName(...parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join("");
}
