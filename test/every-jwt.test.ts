import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StintClient } from "../cli/agent-client.ts";
import { lend, THINGS, withUpstreams } from "./support/lending.ts";
import { startTokenEndpoint, type TokenEndpoint } from "./support/token-endpoint.ts";
import { approvedSession, tokenOf, type Approved } from "./support/world.ts";
import { startOAuthWorld, type OAuthWorld } from "./support/oauth-world.ts";
import {
  authorizationRequest,
  nextWebApp,
  plainForm,
  signRequest,
  requestClaims,
  webApp,
} from "./support/oauth-requests.ts";
import { vectors } from "./support/wycheproof.ts";

let world: OAuthWorld;
let server: StintClient;
let session: Approved;
let serverToken = "";
let upstream: TokenEndpoint;
beforeAll(async () => {
  upstream = await startTokenEndpoint();
  const orders = { id: "orders", connector: "jwt", base_url: `${upstream.url}/api`, catalogue: THINGS };
  world = await startOAuthWorld({
    adjust: (document) =>
      withUpstreams({ ...document, identity_providers: [{ issuer: "https://idp.example", jwks: { keys: [] } }] }, [
        orders,
      ]),
  });
  server = await world.server();
  session = await approvedSession(world);
  serverToken = await session.serverToken();
  await server.introspect("warm up for a nonce");
});
afterAll(async () => {
  await world?.close();
  await upstream?.close();
});
beforeEach(nextWebApp);

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const tokenUrl = (): string => `${world.issuer}/oauth/token`;

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** Every place that takes a JWT, and what it must say to one that is not good. */
const PLACES: Readonly<Record<string, { send: (jwt: string) => Promise<Reply>; refused: (reply: Reply) => boolean }>> =
  {
    "client assertion": {
      send: (jwt) =>
        plainForm(tokenUrl(), {
          grant_type: "urn:openid:params:grant-type:ciba",
          client_assertion_type: ASSERTION_TYPE,
          client_assertion: jwt,
        }),
      refused: ({ status, body }) => status === 401 && error(body) === "invalid_client",
    },
    "DPoP proof": {
      send: async (jwt) =>
        plainForm(
          tokenUrl(),
          { grant_type: "urn:openid:params:grant-type:ciba", ...(await server.assertion()) },
          { dpop: jwt },
        ),
      refused: ({ status, body }) => status === 400 && error(body) === "invalid_dpop_proof",
    },
    "request object": {
      send: async (jwt) =>
        (await webApp(world)).form("/oauth/par", async () => ({
          request: jwt,
          ...(await (await webApp(world)).assertion()),
        })),
      refused: ({ status, body }) => status === 400 && error(body) === "invalid_request_object",
    },
    "subject token": {
      send: (jwt) => session.agent.exchange(jwt, `${world.issuer}/proxy/github`),
      refused: ({ status, body }) => status === 400 && error(body) === "invalid_request",
    },
    "actor token": {
      send: (jwt) =>
        server.exchange(
          serverToken,
          `${world.issuer}/proxy/github`,
          { actor_token: jwt, actor_token_type: "urn:ietf:params:oauth:token-type:jwt" },
          true,
        ),
      refused: ({ status, body }) => status === 400 && error(body) === "invalid_request",
    },
    "access token": {
      send: async (jwt) => {
        const response = await fetch(`${world.issuer}/proxy/github/repos/acme/api/issues`, {
          headers: { authorization: `DPoP ${jwt}` },
        });
        return { status: response.status, body: await response.json() };
      },
      refused: ({ status, body }) => status === 401 && error(body) === "invalid_token",
    },
    "identity assertion": {
      send: async (jwt) =>
        (await webApp(world)).token(async () => ({
          grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
          assertion: jwt,
          scope: "mcp:tickets:open_issue",
          ...(await (await webApp(world)).assertion()),
        })),
      refused: ({ status, body }) => status === 400 && error(body) === "invalid_grant",
    },
    "introspected token": {
      send: (jwt) => server.introspect(jwt),
      refused: ({ status, body }) => status === 200 && JSON.stringify(body) === '{"active":false}',
    },
    "revoked token": {
      send: (jwt) => server.form("/oauth/revoke", async () => ({ token: jwt, ...(await server.assertion()) })),
      refused: ({ status }) => status === 200,
    },
    "approval link": {
      send: async (jwt) => plainForm(`${world.issuer}/approve/view`, { token: jwt }, { origin: world.issuer }),
      refused: ({ status }) => status === 404,
    },
  };

function error(body: unknown): unknown {
  return (body as { error?: unknown }).error;
}

describe("J26 a JWT of one kind in the place of another", () => {
  it("is refused in every other place", async () => {
    const client = await webApp(world);
    await (await lend(world, "orders", ["things:read"])).call("GET", "/things");
    const { authorization = "" } = upstream.called[0]!.headers;
    const jwts: Record<string, string> = {
      "client assertion": (await client.assertion()).client_assertion,
      "DPoP proof": await client.proof("POST", tokenUrl()),
      "request object": await signRequest(requestClaims(world, authorizationRequest()), world.webKey.privateJwk),
      "session token": session.sessionToken,
      "server's token": serverToken,
      "exchanged token": tokenOf(await server.exchange(serverToken, `${world.issuer}/proxy/github`, {}, true)),
      "an upstream's token": authorization.replace("DPoP ", ""),
      "a receipt-like text": "e30.e30.AAAA",
    };
    /** Where a kind is at home, or is refused for what it says and not for what it is. */
    const home: Record<string, string[]> = {
      "client assertion": ["client assertion"],
      "DPoP proof": ["DPoP proof"],
      "request object": ["request object"],
      "session token": ["subject token"],
      "server's token": ["introspected token"],
      "exchanged token": ["access token", "introspected token"],
    };
    const wrong = [];
    for (const [kind, jwt] of Object.entries(jwts))
      for (const [place, { send, refused }] of Object.entries(PLACES))
        if (!(home[kind] ?? []).includes(place)) {
          const reply = await send(jwt);
          if (!refused(reply)) wrong.push([kind, place, reply]);
        }
    expect(wrong).toEqual([]);
    expect((await server.introspect(serverToken)).body["active"]).toBe(true);
  });
});

describe("Wycheproof's JSON Web Signature vectors, over HTTP", () => {
  const groups = vectors("json-web-signature");
  if (groups === undefined) {
    it.skip("the vectors are not here, so this did not run (WYCHEPROOF_DIR names where they are)", () => undefined);
    return;
  }
  // Whatever a vector's signature is worth, none was made for this broker. An empty one is a missing parameter.
  const all = groups.flatMap(({ tests }) => tests).filter(({ jws }) => /^[\x21-\x7e]+$/.test(jws));

  it.each(Object.entries(PLACES))("are refused as %s", async (_, { send, refused }) => {
    expect(all.length).toBeGreaterThan(350);
    const wrong = [];
    for (const { tcId, jws } of all) {
      const reply = await send(jws);
      if (!refused(reply)) wrong.push([tcId, reply]);
    }
    expect(wrong).toEqual([]);
  });
});
