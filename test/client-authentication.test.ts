import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ASSERTION_TYPE, CIBA_GRANT, type StintClient } from "../cli/agent-client.ts";
import { assertionClaims, forgeProof, hmacSigned, newKey, nowSeconds, signRaw } from "./support/forge.ts";
import { approvedSession, ask, READ_API, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let client: StintClient;
beforeAll(async () => {
  world = await startTestWorld();
  client = await world.freshAgent();
});
afterAll(() => world?.close());

const HEADER = { alg: "ES256", kid: "agent" };

/** Presents an assertion at the token endpoint, where a poll for nothing shows whether it was believed. */
async function present(
  assertion: string,
  more: Record<string, string> = {},
): Promise<{ status: number; error: unknown }> {
  const answer = await client.token(async () => ({
    grant_type: CIBA_GRANT,
    auth_req_id: "req_none",
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    ...more,
  }));
  return { status: answer.status, error: answer.body["error"] };
}

const key = () => world.keys.agent.privateJwk;
const BELIEVED = { status: 400, error: "invalid_grant" };
const REFUSED = { status: 401, error: "invalid_client" };

describe("client authentication (groups J and C)", () => {
  it("believes a good assertion", async () => {
    expect(await present(await signRaw(HEADER, assertionClaims(client), key()))).toEqual(BELIEVED);
  });

  it.each<[string, () => Promise<string> | string]>([
    [
      "J01 alg none",
      () =>
        `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from(JSON.stringify(assertionClaims(client))).toString("base64url")}.`,
    ],
    ["J02 alg in another case", () => signRaw({ ...HEADER, alg: "es256" }, assertionClaims(client), key())],
    [
      "J03 HMAC with our public key",
      () =>
        hmacSigned({ ...HEADER, alg: "HS256" }, assertionClaims(client), JSON.stringify(world.keys.agent.publicJwk)),
    ],
    ["J06 a key brought in the header", () => signRaw({ ...HEADER, x5c: ["AAAA"] }, assertionClaims(client), key())],
    [
      "an embedded jwk",
      async () => signRaw({ ...HEADER, jwk: world.keys.agent.publicJwk }, assertionClaims(client), key()),
    ],
    ["a crit header", () => signRaw({ ...HEADER, crit: ["exp"], exp: 1 }, assertionClaims(client), key())],
    [
      "J14 an empty signature",
      async () => (await signRaw(HEADER, assertionClaims(client), key())).replace(/\.[^.]*$/, ".AA"),
    ],
    [
      "J14 a zero signature",
      async () =>
        (await signRaw(HEADER, assertionClaims(client), key())).replace(
          /\.[^.]*$/,
          `.${Buffer.alloc(64).toString("base64url")}`,
        ),
    ],
    [
      "J15 JSON serialisation",
      async () => {
        const [protectedHeader, payload, signature] = (await signRaw(HEADER, assertionClaims(client), key())).split(
          ".",
        );
        return JSON.stringify({ protected: protectedHeader, payload, signature });
      },
    ],
    ["J17 padding", async () => `${await signRaw(HEADER, assertionClaims(client), key())}=`],
    ["J17 white space", async () => (await signRaw(HEADER, assertionClaims(client), key())).replace(".", " .")],
    [
      "J17 another spelling of the last character",
      async () => respell(await signRaw(HEADER, assertionClaims(client), key())),
    ],
    [
      "J18 a claim twice",
      () => signRaw(HEADER, JSON.stringify(assertionClaims(client)).replace("{", `{"aud":"https://evil.test",`), key()),
    ],
    [
      "J18 a header member twice",
      () => signRaw('{"alg":"none","alg":"ES256","kid":"agent"}', assertionClaims(client), key()),
    ],
    [
      "J20 issued in the future",
      () => signRaw(HEADER, assertionClaims(client, { iat: nowSeconds() + 120, exp: nowSeconds() + 180 }), key()),
    ],
    ["J20 not yet valid", () => signRaw(HEADER, assertionClaims(client, { nbf: nowSeconds() + 120 }), key())],
    ["J21 expired", () => signRaw(HEADER, assertionClaims(client, { exp: nowSeconds() - 300 }), key())],
    ["J21 expires now", () => signRaw(HEADER, assertionClaims(client, { exp: nowSeconds() }), key())],
    ["valid for a day", () => signRaw(HEADER, assertionClaims(client, { exp: nowSeconds() + 86_400 }), key())],
    [
      "J22 a second audience",
      () => signRaw(HEADER, assertionClaims(client, { aud: [world.issuer, "https://evil.test"] }), key()),
    ],
    [
      "J23 the token endpoint as audience",
      () => signRaw(HEADER, assertionClaims(client, { aud: `${world.issuer}/oauth/token` }), key()),
    ],
    ["J25 no subject", () => signRaw(HEADER, assertionClaims(client, { sub: undefined }), key())],
    ["J25 another subject", () => signRaw(HEADER, assertionClaims(client, { sub: "bot-2" }), key())],
    ["no jti", () => signRaw(HEADER, assertionClaims(client, { jti: undefined }), key())],
    ["J33 a jti that is a number", () => signRaw(HEADER, assertionClaims(client, { jti: 7 }), key())],
    [
      "J33 an issuer that is an object",
      () => signRaw(HEADER, assertionClaims(client, { iss: { toString: 1 } }), key()),
    ],
    ["J33 an audience that is null", () => signRaw(HEADER, assertionClaims(client, { aud: null }), key())],
    [
      "J33 an exp that is a text",
      () => signRaw(HEADER, assertionClaims(client, { exp: String(nowSeconds() + 60) }), key()),
    ],
    ["J26 a proof as assertion", () => forgeProof(client, { htm: "POST", htu: `${world.issuer}/oauth/token` })],
    [
      "J26 an assertion typed as something else",
      () => signRaw({ ...HEADER, typ: "at+jwt" }, assertionClaims(client), key()),
    ],
    ["C03 an unknown client", () => signRaw(HEADER, assertionClaims(client, { iss: "nobody", sub: "nobody" }), key())],
    ["C03 another key", async () => signRaw(HEADER, assertionClaims(client), await newKey())],
    ["an unknown kid", () => signRaw({ ...HEADER, kid: "other" }, assertionClaims(client), key())],
    ["20 KB of it", () => "a".repeat(20_000)],
  ])("refuses %s", async (_, make) => {
    expect(await present(await make())).toEqual(REFUSED);
  });

  it("J20 allows a clock that is a little ahead", async () => {
    expect(await present(await signRaw(HEADER, assertionClaims(client, { iat: nowSeconds() + 8 }), key()))).toEqual(
      BELIEVED,
    );
  });

  it("J27 takes an assertion once, of fifty in parallel", async () => {
    const assertion = await signRaw(HEADER, assertionClaims(client), key());
    const answers = await Promise.all(Array.from({ length: 50 }, () => present(assertion)));
    expect(answers.filter(({ error }) => error === "invalid_grant")).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(49);
  });

  it("J27 takes an assertion once across endpoints", async () => {
    const agent = await world.freshAgent();
    const assertion = await signRaw(HEADER, assertionClaims(agent), key());
    const presented = { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion };
    expect((await agent.form("/oauth/introspect", async () => ({ token: "x", ...presented }))).status).toBe(200);
    expect((await agent.token(async () => ({ grant_type: CIBA_GRANT, auth_req_id: "x", ...presented }))).status).toBe(
      401,
    );
  });

  it("C01 refuses a client that does not authenticate", async () => {
    expect(await client.token(async () => ({ grant_type: CIBA_GRANT, auth_req_id: "x" }))).toMatchObject({
      status: 401,
      body: { error: "invalid_client" },
    });
  });

  it("C02 refuses two ways at once, and C06 a secret", async () => {
    const body = new URLSearchParams({ grant_type: CIBA_GRANT, auth_req_id: "x", ...(await client.assertion()) });
    const headers = { authorization: "Basic Ym90OnNlY3JldA==" };
    expect((await fetch(`${world.issuer}/oauth/token`, { method: "POST", headers, body })).status).toBe(400);
    expect(
      (await client.token(async () => ({ grant_type: CIBA_GRANT, client_id: client.clientId, client_secret: "x" })))
        .status,
    ).toBe(401);
    const both = async () => ({ token: "x", client_secret: "x", ...(await client.assertion()) });
    for (const path of ["/oauth/introspect", "/oauth/revoke", "/oauth/backchannel", "/oauth/par"])
      expect(await client.form(path, both), path).toMatchObject({ status: 400, body: { error: "invalid_request" } });
  });

  it("C02 C06 refuses a secret where a token and its key would do", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const proxy = `${world.issuer}/proxy/github`;
    expect(await agent.exchange(sessionToken, proxy, { client_secret: "x" })).toMatchObject({
      status: 401,
      body: { error: "invalid_client" },
    });
    expect((await agent.exchange(sessionToken, proxy, { client_secret: "x" }, true)).status).toBe(400);
    expect((await agent.exchange(sessionToken, proxy)).status).toBe(200);
  });

  it.each(["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par", "/oauth/backchannel"])(
    "C10 refuses an assertion in the URL, even beside a good one (%s)",
    async (path) => {
      const query = new URLSearchParams({ ...(await client.assertion()) });
      const url = `${world.issuer}${path}?${query.toString()}`;
      const body = { grant_type: CIBA_GRANT, token: "x" };
      for (const fields of [body, { ...body, ...(await client.assertion()) }]) {
        const response = await fetch(url, { method: "POST", body: new URLSearchParams(fields) });
        expect(response.status).toBe(400);
        expect(await response.json()).toMatchObject({ error: "invalid_request" });
      }
    },
  );

  it("C10 takes nothing in the URL of a session either", async () => {
    const { agent, sessionId, sessionToken } = await approvedSession(world);
    const path = `/sessions/${sessionId}`;
    for (const [method, address] of [
      ["GET", `${path}?access_token=${sessionToken}`],
      ["POST", `${path}/end?client_assertion=x`],
      ["POST", `${path}/grants?x=1`],
    ] as const) {
      const body = method === "POST" ? { authorization_details: [READ_API] } : undefined;
      expect((await agent.call(sessionToken, method, address, body)).status, address).toBe(400);
    }
    const asked = await fetch(`${world.issuer}/sessions?client_assertion=x`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...ask(), ...(await agent.assertion()) }),
    });
    expect(asked.status).toBe(400);
    expect((await agent.call(sessionToken, "GET", path)).body["status"]).toBe("active");
  });

  it("C12 keeps a handle to the client that asked", async () => {
    const [asker, other] = [await world.freshAgent(), await world.freshAgent()];
    const { auth_req_id } = (await asker.ask(ask())).body;
    expect((await other.poll(auth_req_id)).body).toMatchObject({ error: "invalid_grant" });
  });

  it("gives the same answer to an unknown client and to a bad signature", async () => {
    const unknown = await client.token(async () => ({
      grant_type: CIBA_GRANT,
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await signRaw(HEADER, assertionClaims(client, { iss: "x", sub: "x" }), key()),
    }));
    const forged = await client.token(async () => ({
      grant_type: CIBA_GRANT,
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await signRaw(HEADER, assertionClaims(client), await newKey()),
    }));
    expect(unknown.body).toEqual(forged.body);
    expect(unknown.status).toBe(forged.status);
  });

  it("keeps servers from asking for sessions", async () => {
    const server = await world.server();
    expect(await server.ask(ask(), randomUUID())).toMatchObject({
      status: 400,
      body: { error: "unauthorized_client" },
    });
  });
});

/** Changes unused bits of the last character, which a sloppy decoder ignores. */
function respell(jws: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(jws.at(-1)!);
  return jws.slice(0, -1) + alphabet[last ^ 1];
}
