import { unescapeText } from "./unescape.ts";

/** A shorter secret cannot be told from chance, and would break answers that hold nothing. In characters. */
const MIN_SECRET_LENGTH = 8;
/** Every byte in hex. The forms are made for each call through the proxy. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * The forms in which an upstream may show a credential again: plain, percent-encoded, in hex, and in
 * base64 at each of the three places where it may begin. All in lower case, because they are looked for
 * without regard to it.
 *
 * @param value the header that brings the credential: the secret alone, or after its scheme
 * @returns no form at all where there is no secret that could be looked for
 */
export function credentialForms(value: string): string[] {
  // No header can bring it either.
  if (/[^\0-\xff]/.test(value)) return [];
  const secrets = new Set(secretsIn(value));
  const forms = [...secrets].flatMap((secret) => [
    secret,
    unescapeText(secret),
    encodeURIComponent(secret),
    hexOf(secret),
    ...base64Cores(secret),
  ]);
  return [...new Set(forms.map((form) => form.toLowerCase()))].filter(({ length }) => length >= MIN_SECRET_LENGTH);
}

/** The secret words of a header: what follows its scheme, and in what RFC 7617 `Basic` packs, the password. */
function secretsIn(value: string): string[] {
  const words = value.split(" ").filter((word) => word !== "");
  const bare = words.length > 1 ? words.slice(1) : words;
  const unpacked = words.length > 1 && words[0]?.toLowerCase() === "basic" ? bare.flatMap(unpackBasic) : [];
  // Some schemes name what they bring: `Token token="…"`.
  const named = bare.map((word) => word.replace(/^[A-Za-z_-]+=/, "").replaceAll(/^"|"$/g, ""));
  return [...bare, ...named, ...unpacked].filter(({ length }) => length >= MIN_SECRET_LENGTH);
}

function unpackBasic(word: string): string[] {
  try {
    const pair = atob(word);
    return [pair, pair.slice(pair.indexOf(":") + 1)];
  } catch {
    return [];
  }
}

/**
 * What base64 of any text around the secret is certain to hold, in both alphabets: of the first and the
 * last group only the characters that the secret alone decides.
 */
function base64Cores(secret: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const encoded = btoa("\0".repeat(before) + secret);
    const decided = Math.floor(((before + secret.length) * 8) / 6);
    const core = encoded.slice(Math.ceil((before * 8) / 6), decided);
    return [core, core.replaceAll("+", "-").replaceAll("/", "_")];
  });
}

function hexOf(secret: string): string {
  let hex = "";
  for (let at = 0; at < secret.length; at += 1) hex += HEX[secret.charCodeAt(at)];
  return hex;
}
