import { createHash, randomUUID } from "node:crypto";
import type { JWK } from "jose";
import { newProofKey, StintClient, type Answer } from "../../cli/agent-client.ts";
import { nowSeconds, signRaw } from "./forge.ts";
import { TICKETS, WEB_APP, type OAuthWorld } from "./oauth-world.ts";

export const VERIFIER = "verifier-verifier-verifier-verifier-verifier";
export const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
export const SCOPE = "github:issues:read@acme/api mcp:tickets:open_issue";

export type Fields = Readonly<Record<string, string | undefined>>;

/** The web application whose requests are made here. */
export const web: { client_id: string } = { client_id: WEB_APP.client_id };
let webApps = 0;

/** From here on it is one that nobody has used yet. */
export function nextWebApp(): void {
  webApps += 1;
  web.client_id = `web-${webApps}`;
}

/** A good authorization request of the web application; `undefined` leaves a parameter out. */
export function authorizationRequest(changes: Fields = {}): Record<string, string> {
  return present({
    response_type: "code",
    client_id: web.client_id,
    redirect_uri: WEB_APP.redirect_uri,
    scope: SCOPE,
    state: "a-state",
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    resource: TICKETS,
    ...changes,
  });
}

/** A good backchannel request. */
export function backchannelRequest(changes: Fields = {}): Record<string, string> {
  return present({ scope: SCOPE, login_hint: "dana@acme.example", binding_message: "A task", ...changes });
}

export function present(fields: Fields): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

export function authorizationUrl(world: OAuthWorld, fields: Fields): string {
  return `${world.issuer}/oauth/authorize?${new URLSearchParams(present(fields)).toString()}`;
}

/** The web application, or whoever has its name, with a DPoP key of its own. */
export async function webApp(world: OAuthWorld, jwk: JWK = world.webKey.privateJwk): Promise<StintClient> {
  return new StintClient(world.issuer, web.client_id, jwk, await newProofKey());
}

/** A form with the client's assertion and proof. */
export function authenticated(client: StintClient, path: string, fields: Fields): Promise<Answer> {
  return client.form(path, async () => ({ ...present(fields), ...(await client.assertion()) }));
}

/** A form with nothing but itself. */
export async function plainForm(
  url: string,
  fields: Fields,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> {
  const response = await fetch(url, {
    method: "POST",
    redirect: "manual",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: new URLSearchParams(present(fields)).toString(),
  });
  const text = await response.text();
  const body = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : { text };
  return { status: response.status, headers: response.headers, body };
}

/** The claims of a good request object around these parameters. */
export function requestClaims(
  world: OAuthWorld,
  parameters: Record<string, unknown>,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  const now = nowSeconds();
  const claims = {
    iss: web.client_id,
    aud: world.issuer,
    iat: now,
    nbf: now,
    exp: now + 300,
    jti: randomUUID(),
    ...parameters,
    ...changes,
  };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

export function signRequest(
  claims: Record<string, unknown>,
  jwk: JWK,
  header: Record<string, unknown> = {},
): Promise<string> {
  return signRaw({ alg: "ES256", typ: "oauth-authz-req+jwt", kid: jwk.kid, ...header }, claims, jwk);
}
