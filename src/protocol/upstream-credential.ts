import { ownProof } from "../crypto/own-proof.ts";
import type { Credential } from "../domain/credential.ts";

/** A call as it goes out, with what makes the upstream let it in. */
export interface CredentialedCall {
  readonly url: string;
  /** What the credential adds to the headers; wins over everything else. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Puts the credential into a call of the upstream. The address may hold a key from here on: it goes to
 * the outbound fetch and nowhere else.
 *
 * @param url with its query, as the caller sent it
 * @param now epoch seconds
 */
export async function injectCredential(
  url: string,
  method: string,
  credential: Credential,
  now: number,
): Promise<CredentialedCall> {
  switch (credential.kind) {
    case "header":
      return { url, headers: { [credential.header]: credential.value } };
    case "query":
      return { url: withParameter(url, credential.parameter, credential.value), headers: {} };
    case "dpop": {
      const { token, privateJwk } = credential;
      const proof = await ownProof(privateJwk, { method, url, token, now });
      return { url, headers: { authorization: `DPoP ${token}`, dpop: proof } };
    }
  }
}

/** What an upstream could show again: what it was sent, with its scheme. */
export function shownAs(credential: Credential): string {
  return credential.kind === "dpop" ? credential.token : credential.value;
}

/** The secret itself, without the scheme that stands before it. */
function secretOf(credential: Credential): string {
  if (credential.kind === "dpop") return credential.token;
  return credential.kind === "query" ? credential.value : (credential.value.split(" ").at(-1) ?? "");
}

/** Takes away headers of the answer in which the upstream repeats the credential, as in links to a next page. */
export function dropEchoes(headers: Headers, credential: Credential): Headers {
  const secret = secretOf(credential).toLowerCase();
  const forms = [secret, encodeURIComponent(secret).toLowerCase()];
  const echoes = [...headers].filter(([, value]) => forms.some((form) => value.toLowerCase().includes(form)));
  for (const [name] of echoes) headers.delete(name);
  return headers;
}

/** The key is the only parameter of its name: the caller's own is dropped, however a server may come to read it. */
function withParameter(url: string, parameter: string, value: string): string {
  const [path = "", query = ""] = url.split("?", 2);
  const kept = query.split("&").filter((pair) => pair !== "" && !names(pair, parameter));
  return `${path}?${[...kept, `${encodeURIComponent(parameter)}=${encodeURIComponent(value)}`].join("&")}`;
}

/** Some servers also part at `;`, ignore case, or read `name[]` and `name.x` as `name`. */
function names(pair: string, parameter: string): boolean {
  return pair.split(";").some((part) => {
    const name = decodeURIComponent((part.split("=", 1)[0] ?? "").replaceAll("+", " "));
    return name.split(/[[.]/, 1)[0]?.trim().toLowerCase() === parameter.toLowerCase();
  });
}
