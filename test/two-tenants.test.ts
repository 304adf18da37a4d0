import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { newProofKey, StintClient } from "../cli/agent-client.ts";
import { startBroker, type Broker } from "../demo/broker.ts";
import { freePort } from "../demo/free-port.ts";
import { startLinkSink, type LinkSink } from "./support/link-sink.ts";
import { callTool, rpc, TASKS, told } from "./support/mcp-caller.ts";
import { plainTenant } from "./support/plain-tenant.ts";

/** Two tenants of one broker, alike in every name that they use. */
let broker: Broker;
let sinks: [LinkSink, LinkSink];
let issuers: [string, string];
let keys: [JWK, JWK];
beforeAll(async () => {
  const port = await freePort();
  issuers = [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
  sinks = [await startLinkSink(), await startLinkSink()];
  const pairs = await Promise.all([
    generateKeyPair("ES256", { extractable: true }),
    generateKeyPair("ES256", { extractable: true }),
  ]);
  keys = [await exportJWK(pairs[0].privateKey), await exportJWK(pairs[1].privateKey)];
  const documents = await Promise.all(
    issuers.map(async (issuer, at) => {
      const { url } = sinks[at]!;
      return plainTenant({
        issuer,
        agents: ["bot"],
        publicJwk: await exportJWK(pairs[at]!.publicKey),
        upstreamUrl: url,
        keySecret: at === 0 ? "KEY_A" : "KEY_B",
        slack: { url, secret: "SLACK" },
      });
    }),
  );
  broker = await startBroker({
    tenants: documents,
    port,
    secrets: { KEY_A: "key-of-a", KEY_B: "key-of-b", SLACK: "s" },
  });
});
afterAll(async () => {
  await broker?.stop();
  await Promise.all(sinks?.map((sink) => sink.close()) ?? []);
});

const client = async (at: 0 | 1) => new StintClient(issuers[at], "bot", keys[at], await newProofKey());
const ASK = {
  task: { title: "x" },
  authorization_details: [{ type: "upstream_access", upstream: "api", actions: ["read"] }],
  expires_in: 600,
};

describe("tenants apart (group N)", () => {
  it("one's sessions, tokens, handles, assertions and admin token are worth nothing at the other", async () => {
    const [a, b] = [await client(0), await client(1)];
    const asked = await a.ask(ASK);
    await sinks[0].approve(issuers[0]);
    expect((await b.poll(asked.body.auth_req_id)).body).toMatchObject({ error: "invalid_grant" });
    const sessionToken = String((await a.poll(asked.body.auth_req_id)).body["access_token"]);
    const proxyToken = String((await a.exchange(sessionToken, `${issuers[0]}/proxy/api`)).body["access_token"]);
    expect((await a.call(proxyToken, "GET", "/proxy/api/things")).status).toBe(200);

    // The same key, pointed at the other tenant.
    const astray = new StintClient(issuers[1], "bot", keys[0], a.proofKey);
    expect((await astray.call(proxyToken, "GET", "/proxy/api/things")).status).toBe(401);
    expect((await astray.call(sessionToken, "GET", `/sessions/${asked.body.session_id}`)).status).toBe(401);
    expect((await astray.exchange(sessionToken, `${issuers[1]}/proxy/api`)).body).toMatchObject({
      error: "invalid_request",
    });
    expect((await astray.ask(ASK)).body).toMatchObject({ error: "invalid_client" });
    expect((await b.introspect(proxyToken)).body).toEqual({ active: false });

    const admin = async (at: 0 | 1, token: string, path: string) =>
      fetch(issuers[at] + path, { headers: { authorization: `Bearer ${token}` } });
    expect((await admin(1, broker.adminToken(issuers[0]), "/admin/sessions")).status).toBe(401);
    expect((await admin(1, broker.adminToken(issuers[1]), `/admin/sessions/${asked.body.session_id}`)).status).toBe(
      404,
    );
    const { rows } = (await (await admin(1, broker.adminToken(issuers[1]), "/admin/audit")).json()) as {
      rows: { source: string }[];
    };
    expect(rows.map(({ source }) => source)).not.toContain(asked.body.session_id);
  });

  it("neither has the other's tasks, sessions and handles at /mcp, for the very same client id and key", async () => {
    const one = await client(0);
    const callers = await Promise.all(
      ([0, 1] as const).map(async (at) => {
        const agent = new StintClient(issuers[at], "bot", keys[at], one.proofKey);
        const { body } = await agent.ask(ASK);
        await sinks[at].approve(issuers[at]);
        const sessionToken = String((await agent.poll(body.auth_req_id)).body["access_token"]);
        const token = String((await agent.exchange(sessionToken, `${issuers[at]}/mcp`)).body["access_token"]);
        return { agent, sessionId: body.session_id, token };
      }),
    );
    const [a, b] = [callers[0]!, callers[1]!];
    const { task, ...access } = ASK;
    const asked = { ...task, ...access };
    const { taskId } = (await callTool(a, "request_session", asked)).result;
    expect(taskId).toMatch(/^ses_/);
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"])
      expect((await rpc(b, method, { taskId, inputResponses: {} }, TASKS)).error).toMatchObject({ code: -32_602 });
    const { result } = await callTool(b, "session_state", { session: taskId });
    expect(told(result)).toEqual({ isError: true, error: "there is no such session of this client and key" });
    expect((await rpc({ ...b, token: a.token }, "tasks/get", { taskId }, TASKS)).status).toBe(401);
    expect((await rpc(a, "tasks/get", { taskId }, TASKS)).result).toMatchObject({ status: "working" });
  });

  it("neither has the other's keys, nor a nonce that is good there", async () => {
    const [one, two] = await Promise.all(
      issuers.map(
        async (issuer) => (await (await fetch(`${issuer}/oauth/jwks`)).json()) as { keys: { kid: string }[] },
      ),
    );
    const kids = new Set(two!.keys.map(({ kid }) => kid));
    expect(one!.keys.some(({ kid }) => kids.has(kid))).toBe(false);
    const [a, b] = [await client(0), await client(1)];
    const nonceOfA = (await a.poll("x")).headers.get("dpop-nonce") ?? "";
    const dpop = await b.proof("POST", `${issuers[1]}/oauth/token`, nonceOfA);
    const body = new URLSearchParams({
      grant_type: "urn:openid:params:grant-type:ciba",
      auth_req_id: "x",
      ...(await b.assertion()),
    });
    expect(
      await (await fetch(`${issuers[1]}/oauth/token`, { method: "POST", headers: { dpop }, body })).json(),
    ).toMatchObject({ error: "use_dpop_nonce" });
  });

  it("neither can name the other's secrets of the environment", async () => {
    const { document } = (await (
      await fetch(`${issuers[1]}/admin/tenant`, {
        headers: { authorization: `Bearer ${broker.adminToken(issuers[1])}` },
      })
    ).json()) as { document: { upstreams: object[] } };
    const greedy = {
      ...document,
      upstreams: document.upstreams.map((upstream) => ({ ...upstream, api_key: { secret: "KEY_A" } })),
    };
    const applied = await fetch(`${issuers[1]}/admin/tenant`, {
      method: "POST",
      headers: { authorization: `Bearer ${broker.adminToken(issuers[1])}`, "content-type": "application/json" },
      body: JSON.stringify(greedy),
    });
    expect(applied.status).toBe(200);
    const b = await client(1);
    const asked = await b.ask(ASK);
    await sinks[1].approve(issuers[1]);
    const sessionToken = String((await b.poll(asked.body.auth_req_id)).body["access_token"]);
    const proxyToken = String((await b.exchange(sessionToken, `${issuers[1]}/proxy/api`)).body["access_token"]);
    expect((await b.call(proxyToken, "GET", "/proxy/api/things")).status).toBe(503);
  });
});
