import { signAwsCall } from "../crypto/aws-signature.ts";
import { ownProof } from "../crypto/own-proof.ts";
import type { Credential } from "../domain/credential.ts";
import { namesOf, standsFor } from "../domain/query-names.ts";
import { ok, type Result } from "../domain/result.ts";
import { readCapped } from "./body.ts";
import type { WireError } from "./wire-error.ts";

/** A body that is signed has to be held whole. */
const MAX_SIGNED_BODY_BYTES = 1_048_576;

/** What the caller sent, as far as it is passed on. */
export interface CallerRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
}

/** A call as it goes out, with what makes the upstream let it in. */
export interface CredentialedCall {
  /** What is sent on: as it streams in, or the whole of it where it had to be signed. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
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
  request: CallerRequest,
  credential: Credential,
  now: number,
): Promise<Result<CredentialedCall, WireError>> {
  const { method, body } = request;
  switch (credential.kind) {
    case "header":
      return ok({ url, body, headers: { [credential.header]: credential.value } });
    case "query":
      return ok({ url: withParameter(url, credential.parameter, credential.value), body, headers: {} });
    case "dpop": {
      const { token, privateJwk } = credential;
      const proof = await ownProof(privateJwk, { method, url, token, now });
      return ok({ url, body, headers: { authorization: `DPoP ${token}`, dpop: proof } });
    }
    case "aws": {
      const whole = body === null ? ok(new Uint8Array()) : await readCapped(request, MAX_SIGNED_BODY_BYTES);
      if (!whole.ok) return whole;
      const headers = await signAwsCall(credential, { method, url, body: whole.value });
      return ok({ url, body: body === null ? null : whole.value, headers });
    }
  }
}

/** What an upstream could show again: what it was sent, with its scheme, and what that was made with. */
export function shownAs(credential: Credential): string[] {
  switch (credential.kind) {
    case "header":
    case "query":
      return [credential.value];
    case "dpop":
      return [credential.token];
    case "aws":
      return [credential.session_token, credential.secret_access_key];
  }
}

/** The secret itself, without the scheme that stands before it. */
function secretOf(credential: Credential): string {
  const [shown = ""] = shownAs(credential);
  return credential.kind === "header" ? (shown.split(" ").at(-1) ?? "") : shown;
}

/** Takes away headers of the answer in which the upstream repeats the credential, as in links to a next page. */
export function dropEchoes(headers: Headers, credential: Credential): Headers {
  const secret = secretOf(credential).toLowerCase();
  const forms = [secret, encodeURIComponent(secret).toLowerCase()];
  const echoes = [...headers].filter(([, value]) => forms.some((form) => value.toLowerCase().includes(form)));
  for (const [name] of echoes) headers.delete(name);
  return headers;
}

/** The key is the only parameter of its name: the caller's own are dropped, however a server may come to read them. */
function withParameter(url: string, parameter: string, value: string): string {
  const [path = "", query = ""] = url.split("?", 2);
  const kept = query.split("&").filter((pair) => pair !== "" && !names(pair, parameter));
  return `${path}?${[...kept, `${encodeURIComponent(parameter)}=${encodeURIComponent(value)}`].join("&")}`;
}

/** Some servers also part at `;`. */
function names(pair: string, parameter: string): boolean {
  return pair.split(";").some((part) => namesOf(part).some((name) => standsFor(name, parameter)));
}
