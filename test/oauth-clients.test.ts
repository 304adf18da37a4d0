import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Approver, claimsOf } from "./support/approver.ts";
import {
  authorizeAs,
  MCP_HOST,
  NATIVE_APP,
  NOTES,
  startOAuthWorld,
  TICKETS,
  WEB_APP,
  type OAuthWorld,
} from "./support/oauth-world.ts";

let world: OAuthWorld;
beforeAll(async () => {
  world = await startOAuthWorld();
});
afterAll(() => world?.close());

const SCOPE = "github:issues:read@acme/api github:issues:write@acme/api mcp:tickets:open_issue";
const TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

/** openid-client, discovered from the issuer and nothing else. */
async function configured(client_id: string, auth: openid.ClientAuth): Promise<openid.Configuration> {
  return openid.discovery(new URL(world.issuer), client_id, undefined, auth, {
    execute: [openid.allowInsecureRequests],
    algorithm: "oauth2",
  });
}

const byKey = (): openid.ClientAuth => openid.PrivateKeyJwt({ key: world.webKey.privateKey, kid: "web" });

describe("openid-client", () => {
  it("asks by CIBA, waits for the human, exchanges, introspects and revokes", async () => {
    const config = await configured(WEB_APP.client_id, byKey());
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair("ES256"));
    const started = await openid.initiateBackchannelAuthentication(config, {
      scope: `openid ${SCOPE}`,
      login_hint: "dana@acme.example",
      binding_message: "Triage the open issues",
      requested_expiry: "600",
    });
    expect(started).toMatchObject({ interval: 2, match_code: expect.stringMatching(/^...-...$/) });
    const waiting = openid.pollBackchannelAuthenticationGrant(config, started, undefined, { DPoP });
    await (await Approver.bySlack(world, "dana", sessionOf(started.auth_req_id))).approve();
    const session = await waiting;
    expect(session).toMatchObject({ token_type: "dpop", scope: SCOPE });
    expect(session.refresh_token).toBeUndefined();
    expect(session.id_token).toBeUndefined();

    const exchanged = await openid.genericGrantRequest(
      config,
      EXCHANGE,
      { subject_token: session.access_token, subject_token_type: TOKEN_TYPE, resource: `${world.issuer}/proxy/github` },
      { DPoP },
    );
    expect(exchanged).toMatchObject({ issued_token_type: TOKEN_TYPE, token_type: "dpop" });
    const upstream = await openid.fetchProtectedResource(
      config,
      exchanged.access_token,
      new URL(`${world.issuer}/proxy/github/repos/acme/api/issues`),
      "GET",
      undefined,
      undefined,
      { DPoP },
    );
    expect(upstream.status).toBe(200);

    expect(await openid.tokenIntrospection(config, exchanged.access_token)).toMatchObject({
      active: true,
      aud: `${world.issuer}/proxy/github`,
      scope: "github:issues:read@acme/api github:issues:write@acme/api",
    });
    await openid.tokenRevocation(config, session.access_token);
    expect(await openid.tokenIntrospection(config, exchanged.access_token)).toEqual({ active: false });
  });

  it("is told that a human denied", async () => {
    const config = await configured(WEB_APP.client_id, byKey());
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair("ES256"));
    const started = await openid.initiateBackchannelAuthentication(config, {
      scope: SCOPE,
      login_hint: "dana@acme.example",
    });
    await (await Approver.bySlack(world, "dana", sessionOf(started.auth_req_id))).deny();
    await expect(openid.pollBackchannelAuthenticationGrant(config, started, undefined, { DPoP })).rejects.toMatchObject(
      {
        error: "access_denied",
      },
    );
  });

  it("pushes its request, takes the code with PKCE and a bound key, and is answered with iss", async () => {
    const config = await configured(WEB_APP.client_id, byKey());
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair("ES256"));
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const expectedState = openid.randomState();
    const url = await openid.buildAuthorizationUrlWithPAR(
      config,
      {
        redirect_uri: WEB_APP.redirect_uri,
        scope: SCOPE,
        code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: "S256",
        state: expectedState,
        resource: TICKETS,
      },
      { DPoP },
    );
    expect([...url.searchParams.keys()].toSorted()).toEqual(["client_id", "request_uri"]);
    const back = await authorizeAs(world, url);
    const tokens = await openid.authorizationCodeGrant(
      config,
      back,
      { pkceCodeVerifier, expectedState },
      { resource: TICKETS },
      { DPoP },
    );
    expect(tokens.token_type).toBe("dpop");
    expect(tokens.refresh_token).toBeUndefined();
    expect(claimsOf(tokens.access_token)).toMatchObject({ aud: TICKETS, client_id: WEB_APP.client_id });
    expect(tokens.scope).toBe("mcp:tickets:open_issue github:issues:write@acme/api");
  });

  it("pushes a signed request", async () => {
    const config = await configured(WEB_APP.client_id, byKey());
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair("ES256"));
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const signed = await openid.buildAuthorizationUrlWithJAR(
      config,
      {
        redirect_uri: WEB_APP.redirect_uri,
        scope: SCOPE,
        code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: "S256",
        resource: TICKETS,
      },
      { key: world.webKey.privateKey, kid: "web" },
    );
    const url = await openid.buildAuthorizationUrlWithPAR(config, {
      request: signed.searchParams.get("request") ?? "",
    });
    const tokens = await openid.authorizationCodeGrant(
      config,
      await authorizeAs(world, url),
      { pkceCodeVerifier },
      {},
      { DPoP },
    );
    expect(claimsOf(tokens.access_token)["aud"]).toBe(TICKETS);
  });

  it("is a public client that proves its key", async () => {
    const config = await configured(NATIVE_APP.client_id, openid.None());
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair("ES256"));
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: "http://127.0.0.1:45678/callback",
      scope: SCOPE,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      dpop_jkt: await DPoP.calculateThumbprint(),
    });
    const back = await authorizeAs(world, url);
    expect(back.origin).toBe("http://127.0.0.1:45678");
    const session = await openid.authorizationCodeGrant(config, back, { pkceCodeVerifier }, undefined, { DPoP });
    expect(claimsOf(session.access_token)["aud"]).toBe(world.issuer);
    const exchanged = await openid.genericGrantRequest(
      config,
      EXCHANGE,
      { subject_token: session.access_token, subject_token_type: TOKEN_TYPE, audience: TICKETS },
      { DPoP },
    );
    expect(claimsOf(exchanged.access_token)["aud"]).toBe(TICKETS);
    await openid.tokenRevocation(config, session.access_token);
    await expect(
      openid.genericGrantRequest(
        config,
        EXCHANGE,
        { subject_token: session.access_token, subject_token_type: TOKEN_TYPE, audience: TICKETS },
        { DPoP },
      ),
    ).rejects.toMatchObject({ error: "invalid_request" });
  });

  it("gets a bearer token only where client and server were both told so, and the human saw it", async () => {
    const config = await configured(MCP_HOST.client_id, openid.None());
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: "http://localhost:45678/callback",
      resource: NOTES,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
    });
    const tokens = await openid.authorizationCodeGrant(
      config,
      await authorizeAs(world, url),
      { pkceCodeVerifier },
      { resource: NOTES },
    );
    expect(tokens).toMatchObject({ token_type: "bearer", scope: "mcp:notes:list_notes" });
    expect(claimsOf(tokens.access_token)).not.toHaveProperty("cnf");
  });
});

describe("oauth4webapi", () => {
  it("finds the server by both kinds of discovery", async () => {
    for (const algorithm of ["oauth2", "oidc"] as const) {
      const response = await oauth.discoveryRequest(new URL(world.issuer), {
        algorithm,
        [oauth.allowInsecureRequests]: true,
      });
      const server = await oauth.processDiscoveryResponse(new URL(world.issuer), response);
      expect(server.pushed_authorization_request_endpoint).toBe(`${world.issuer}/oauth/par`);
    }
  });

  it("finds the protected resources and their server", async () => {
    for (const path of ["", "/proxy/github"]) {
      const resource = new URL(world.issuer + path);
      const response = await oauth.resourceDiscoveryRequest(resource, { [oauth.allowInsecureRequests]: true });
      expect(await oauth.processResourceDiscoveryResponse(resource, response)).toMatchObject({
        authorization_servers: [world.issuer],
        dpop_bound_access_tokens_required: true,
      });
    }
  });

  it("is answered with a signed introspection that it can verify", async () => {
    const server = await oauthServer();
    const client: oauth.Client = { client_id: WEB_APP.client_id, introspection_signed_response_alg: "ES256" };
    const auth = oauth.PrivateKeyJwt({ key: world.webKey.privateKey, kid: "web" });
    const options = { [oauth.allowInsecureRequests]: true };
    const response = await oauth.introspectionRequest(server, client, auth, "no-token", {
      ...options,
      requestJwtResponse: true,
    });
    expect(response.headers.get("content-type")).toBe("application/token-introspection+jwt");
    expect(await oauth.processIntrospectionResponse(server, client, response)).toEqual({ active: false });
    await oauth.validateApplicationLevelSignature(server, response, options);
  });
});

async function oauthServer(): Promise<oauth.AuthorizationServer> {
  const response = await oauth.discoveryRequest(new URL(world.issuer), {
    algorithm: "oauth2",
    [oauth.allowInsecureRequests]: true,
  });
  return oauth.processDiscoveryResponse(new URL(world.issuer), response);
}

/** A handle begins with the session's own random part. */
function sessionOf(handle: string): string {
  return `ses_${handle.slice(4, 26)}`;
}
