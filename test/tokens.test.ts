import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ACCESS_TOKEN_TYPE, newProofKey, StintClient, TOKEN_EXCHANGE_GRANT } from "../cli/agent-client.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { forgeProof, newKey, nowSeconds, signRaw } from "./support/forge.ts";
import {
  approvedSession,
  ask,
  ECHO,
  READ_API,
  startTestWorld,
  tokenOf,
  TOOLS,
  WRITE_API,
  type Approved,
  type TestWorld,
} from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

const proxyOf = (upstream: string) => `${world.issuer}/proxy/${upstream}`;
const SERVER = "http://localhost:9/mcp";

describe("polling and the session token (group T)", () => {
  it("T12 redeems a handle once, of fifty in parallel", async () => {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    await (await Approver.bySlack(world, "dana", session_id)).approve();
    const answers = await Promise.all(Array.from({ length: 50 }, () => agent.poll(auth_req_id)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body["error"] === "invalid_grant")).toHaveLength(49);
  });

  it("T07 T15 refuses unknown handles and handles in the URL", async () => {
    const agent = await world.freshAgent();
    for (const handle of ["req_x", `req_${"A".repeat(65)}`, "", "ses_x", "../../x"]) {
      const { body } = await agent.poll(handle);
      expect(["invalid_grant", "invalid_request"]).toContain(body["error"]);
    }
    expect(
      (
        await fetch(`${world.issuer}/oauth/token?auth_req_id=x`, {
          method: "POST",
          body: new URLSearchParams({ grant_type: "x" }),
        })
      ).status,
    ).toBe(400);
  });

  it("T13 refuses to hand the session to another key", async () => {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    await (await Approver.bySlack(world, "dana", session_id)).approve();
    const sameClient = new StintClient(world.issuer, agent.clientId, world.keys.agent.privateJwk, await newProofKey());
    expect((await sameClient.poll(auth_req_id)).body).toMatchObject({ error: "invalid_dpop_proof" });
    expect((await agent.poll(auth_req_id)).status).toBe(200);
  });

  it("T14 forbids keeping token answers", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const { headers } = await agent.exchange(sessionToken, proxyOf("echo"));
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("pragma")).toBe("no-cache");
  });

  it.each(["refresh_token", "password", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", "urn:x"])(
    "T08 refuses grant_type %s by name",
    async (grant_type) => {
      const { agent, sessionToken, sessionId } = await approvedSession(world);
      const answer = await agent.token(async () => ({
        grant_type,
        refresh_token: sessionToken,
        ...(await agent.assertion()),
      }));
      expect(answer).toMatchObject({
        status: 400,
        body: { error: "unsupported_grant_type", error_description: expect.stringContaining("open a new one") },
      });
      if (grant_type === "refresh_token") await expectEvent(sessionId, "refused", "refresh_token_grant");
    },
  );

  it("T09 refuses offline_access", async () => {
    const { agent, sessionToken, authReqId } = await approvedSession(world);
    expect((await agent.exchange(sessionToken, proxyOf("echo"), { scope: "offline_access" })).body).toMatchObject({
      error: "invalid_scope",
    });
    expect(
      (
        await agent.token(async () => ({
          grant_type: "urn:openid:params:grant-type:ciba",
          auth_req_id: authReqId,
          scope: "offline_access",
          ...(await agent.assertion()),
        }))
      ).body,
    ).toMatchObject({ error: "invalid_scope" });
  });

  it("makes RFC 9068 tokens that outside libraries verify, and keeps private members to itself", async () => {
    const { proxyToken } = await approvedSession(world);
    const { keys } = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: Record<string, string>[] };
    for (const key of keys) expect(Object.keys(key)).not.toContain("d");
    const { createLocalJWKSet, jwtVerify } = await import("jose");
    const { payload } = await jwtVerify(await proxyToken("echo"), createLocalJWKSet({ keys } as never), {
      issuer: world.issuer,
      audience: proxyOf("echo"),
      typ: "at+jwt",
    });
    expect(payload).toMatchObject({
      client_id: expect.any(String),
      sub: expect.any(String),
      jti: expect.stringMatching(/^tok_/),
      cnf: { jkt: expect.any(String) },
      grant_digest: expect.any(String),
    });
  });
});

describe("token exchange (group X)", () => {
  /** The session that yields nothing, whatever is tried with it. */
  let refused: Promise<Approved> | undefined;

  it("P2 never outlives the session, nor five minutes", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const end = Number(claimsOf(sessionToken)["exp"]);
    const { body } = await agent.exchange(sessionToken, proxyOf("echo"));
    const claims = claimsOf(String(body["access_token"]));
    expect(Number(claims["exp"])).toBeLessThanOrEqual(end);
    expect(Number(claims["exp"]) - nowSeconds()).toBeLessThanOrEqual(300);
  });

  it("narrows to one audience, and further on request", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const { body } = await agent.exchange(sessionToken, proxyOf("github"), {
      authorization_details: JSON.stringify([READ_API]),
    });
    expect(claimsOf(String(body["access_token"]))).toMatchObject({
      aud: proxyOf("github"),
      authorization_details: [READ_API],
    });
  });

  it.each<[string, Record<string, string>, string]>([
    ["X02 no subject_token_type", { subject_token_type: "" }, "invalid_request"],
    [
      "X02 another subject_token_type",
      { subject_token_type: "urn:ietf:params:oauth:token-type:id_token" },
      "invalid_request",
    ],
    ["X08 an unknown audience", { resource: "https://evil.test" }, "invalid_target"],
    ["Q22 an audience with a suffix", { resource: "http://localhost:9/mcp.evil" }, "invalid_target"],
    ["Q22 an audience with a path", { resource: "http://localhost:9/mcp/x" }, "invalid_target"],
    ["an unknown upstream", { resource: "@/proxy/nobody" }, "invalid_target"],
    ["an upstream's path", { resource: "@/proxy/echo/things" }, "invalid_target"],
    ["the issuer as audience", { resource: "@" }, "invalid_target"],
    ["X10 audience and resource that disagree", { audience: "@/proxy/github" }, "invalid_target"],
    ["no audience", { resource: "" }, "invalid_target"],
    ["X14 a scope", { scope: "read" }, "invalid_scope"],
    [
      "X17 wider details",
      { authorization_details: JSON.stringify([{ ...ECHO, actions: ["secrets:read"] }]) },
      "invalid_authorization_details",
    ],
    [
      "X17 details of another upstream",
      { authorization_details: JSON.stringify([READ_API]) },
      "invalid_authorization_details",
    ],
    [
      "X17 details of another type",
      { authorization_details: JSON.stringify([TOOLS]) },
      "invalid_authorization_details",
    ],
    ["details that are no JSON", { authorization_details: "{" }, "invalid_authorization_details"],
    [
      "X18 a refresh token",
      { requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" },
      "invalid_request",
    ],
    ["X18 an ID token", { requested_token_type: "urn:ietf:params:oauth:token-type:id_token" }, "invalid_request"],
    ["X19 an actor token", { actor_token: "x", actor_token_type: ACCESS_TOKEN_TYPE }, "invalid_request"],
    ["a longer life", { expires_in: "301" }, "invalid_request"],
    ["an expires_in that is no number", { expires_in: "1e9" }, "invalid_request"],
  ])("refuses %s", async (_, parameters, error) => {
    const { agent, sessionToken } = await (refused ??= approvedSession(world));
    const resolved = Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [name, value.replace(/^@/, world.issuer)]),
    );
    expect(await agent.exchange(sessionToken, proxyOf("echo"), resolved)).toMatchObject({
      status: 400,
      body: { error },
    });
  });

  it("X09 refuses two audiences, however they are named", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    for (const name of ["resource", "audience"]) {
      const nonce = (await agent.poll("x")).headers.get("dpop-nonce") ?? "";
      const body = new URLSearchParams({
        grant_type: TOKEN_EXCHANGE_GRANT,
        subject_token: sessionToken,
        subject_token_type: ACCESS_TOKEN_TYPE,
      });
      for (const upstream of ["echo", "github"]) body.append(name, proxyOf(upstream));
      const url = `${world.issuer}/oauth/token`;
      const dpop = await agent.proof("POST", url, nonce);
      expect(await (await fetch(url, { method: "POST", headers: { dpop }, body })).json()).toMatchObject({
        error: "invalid_request",
      });
    }
    for (const audience of [`${proxyOf("echo")} ${proxyOf("github")}`, JSON.stringify([proxyOf("echo")])])
      expect((await agent.exchange(sessionToken, audience)).body).toMatchObject({ error: "invalid_target" });
  });

  it("X11 X15 yields nothing for what the session was not granted, and without a scope no more than it was", async () => {
    const { agent, sessionToken } = await approvedSession(world, { authorization_details: [READ_API] });
    for (const resource of [proxyOf("echo"), SERVER, "", "undefined", "null"])
      expect((await agent.exchange(sessionToken, resource)).body, resource).toMatchObject({ error: "invalid_target" });
    const { body } = await agent.exchange(sessionToken, proxyOf("github"));
    expect(claimsOf(String(body["access_token"]))["authorization_details"]).toEqual([READ_API]);
    expect(body["scope"]).toBe("github:issues:read@acme/api");
  });

  it("X29 is no grant for a client that is neither the session's agent nor the token's audience", async () => {
    const { sessionToken, serverToken } = await approvedSession(world);
    const other = await world.freshAgent();
    const token = await serverToken();
    for (const subject of [sessionToken, token])
      expect((await other.exchange(subject, proxyOf("github"), {}, true)).body).toMatchObject({
        error: "invalid_request",
      });
    const nobody = new StintClient(world.issuer, "nobody", world.keys.agent.privateJwk, other.proofKey);
    expect(await nobody.exchange(token, proxyOf("github"), {}, true)).toMatchObject({
      status: 401,
      body: { error: "invalid_client" },
    });
    const server = await world.server();
    const polled = await server.poll("x");
    expect(polled.status).toBe(400);
    expect(["unauthorized_client", "invalid_grant"]).toContain(polled.body["error"]);
  });

  it("X20 P8 ignores act, cnf and exp from outside", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const { body } = await agent.exchange(sessionToken, proxyOf("echo"), {
      act: '{"sub":"evil"}',
      cnf: '{"jkt":"x"}',
      exp: "9999999999",
    });
    const claims = claimsOf(String(body["access_token"]));
    expect(claims["act"]).toBeUndefined();
    expect(claims["cnf"]).toEqual(claimsOf(sessionToken)["cnf"]);
  });

  it("X04 refuses tokens of every other kind as subject", async () => {
    const { agent, sessionId } = await approvedSession(world);
    const dana = await Approver.bySlack(world, "dana", sessionId);
    const kinds = [
      dana.token,
      (await agent.assertion()).client_assertion,
      await forgeProof(agent, { htm: "POST", htu: "x" }),
      "x",
      "a.b.c",
    ];
    for (const kind of kinds)
      expect((await agent.exchange(kind, proxyOf("echo"))).body).toMatchObject({ error: "invalid_request" });
  });

  it("X03 refuses a token that is not ours, or of another issuer", async () => {
    const { agent, sessionToken } = await approvedSession(world);
    const header = {
      alg: "ES256",
      typ: "at+jwt",
      kid: JSON.parse(Buffer.from(sessionToken.split(".")[0]!, "base64url").toString()).kid as string,
    };
    const forged = await signRaw(header, { ...claimsOf(sessionToken), exp: nowSeconds() + 9999 }, await newKey());
    expect((await agent.exchange(forged, proxyOf("echo"))).body).toMatchObject({ error: "invalid_request" });
  });

  it("X05 refuses the session token of another agent, with whosever key", async () => {
    const [one, two] = [await approvedSession(world), await approvedSession(world)];
    expect((await two.agent.exchange(one.sessionToken, proxyOf("echo"))).status).toBe(400);
    expect((await two.agent.exchange(one.sessionToken, proxyOf("echo"), {}, true)).body).toMatchObject({
      error: "invalid_request",
    });
    expect(
      (await one.agent.exchange(one.sessionToken, proxyOf("echo"), { client_id: two.agent.clientId })).body,
    ).toMatchObject({ error: "invalid_request" });
  });

  it("X07 never exchanges without a proof", async () => {
    const { sessionToken } = await approvedSession(world);
    const body = new URLSearchParams({
      grant_type: TOKEN_EXCHANGE_GRANT,
      subject_token: sessionToken,
      subject_token_type: ACCESS_TOKEN_TYPE,
      resource: proxyOf("echo"),
    });
    expect(await (await fetch(`${world.issuer}/oauth/token`, { method: "POST", body })).json()).toMatchObject({
      error: "invalid_dpop_proof",
    });
  });

  it("X12 X28 lets a server exchange only what was meant for it", async () => {
    const { sessionToken, proxyToken, serverToken } = await approvedSession(world);
    const server = await world.server();
    for (const token of [sessionToken, await proxyToken("github")]) {
      expect((await server.exchange(token, proxyOf("github"), {}, true)).body).toMatchObject({
        error: "invalid_request",
      });
    }
    expect((await server.exchange(await serverToken(), proxyOf("echo"), {}, true)).body).toMatchObject({
      error: "invalid_target",
    });
    expect((await server.exchange(await serverToken(), proxyOf("github"))).body).toMatchObject({
      error: "invalid_client",
    });
    expect(tokenOf(await server.exchange(await serverToken(), proxyOf("github"), {}, true))).toBeTruthy();
  });

  it("P9 X13 goes one hop and no further", async () => {
    const { agent, serverToken, proxyToken } = await approvedSession(world);
    const server = await world.server();
    const onward = tokenOf(await server.exchange(await serverToken(), proxyOf("github"), {}, true));
    expect((await server.exchange(onward, proxyOf("github"), {}, true)).body).toMatchObject({
      error: "invalid_request",
    });
    expect((await server.exchange(onward, proxyOf("github"))).status).not.toBe(200);
    expect((await agent.exchange(await proxyToken("echo"), proxyOf("echo"))).body).toMatchObject({
      error: "invalid_request",
    });
    expect((await agent.exchange(await proxyToken("echo"), proxyOf("echo"), {}, true)).body).toMatchObject({
      error: "invalid_request",
    });
  });

  it.each<[string, (session: Approved) => Promise<unknown>, string]>([
    [
      "re-exchanging an exchanged token",
      async ({ agent, proxyToken }) => agent.exchange(await proxyToken("echo"), proxyOf("echo")),
      "exchange_by_wrong_party",
    ],
    [
      "asking for offline_access",
      async ({ agent, sessionToken }) => agent.exchange(sessionToken, proxyOf("echo"), { scope: "offline_access" }),
      "invalid_scope",
    ],
    [
      "asking for a longer life",
      async ({ agent, sessionToken }) => agent.exchange(sessionToken, proxyOf("echo"), { expires_in: "9999" }),
      "outlives_session",
    ],
    [
      "using an ended session",
      async ({ agent, sessionToken, sessionId }) => {
        await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
        await agent.exchange(sessionToken, proxyOf("echo"));
      },
      "ended",
    ],
    ["using a handle twice", async ({ agent, authReqId }) => agent.poll(authReqId), "auth_req_id_reused"],
  ])("writes down that an agent tried to go on by %s", async (_, attempt, reason) => {
    const session = await approvedSession(world);
    await attempt(session);
    await expectEvent(session.sessionId, "refused", reason);
  });

  it("gives a server only the operations of the tools it was granted", async () => {
    const { serverToken } = await approvedSession(world);
    const server = await world.server();
    const claims = claimsOf(tokenOf(await server.exchange(await serverToken(), proxyOf("github"), {}, true)));
    expect(claims).toMatchObject({ authorization_details: [WRITE_API], act: { sub: "tickets" }, client_id: "tickets" });
  });
});

describe("the end (group R)", () => {
  it("R03 R04 refuses everything at once after the operator revoked, and takes credentials back", async () => {
    const { agent, sessionToken, proxyToken, serverToken, sessionId } = await approvedSession(world);
    const [github, forServer] = [await proxyToken("github"), await serverToken()];
    expect((await agent.call(github, "GET", "/proxy/github/repos/acme/api/issues")).status).toBe(200);
    expect((await world.broker.admin("POST", `/admin/sessions/${sessionId}/revoke`, { reason: "test" })).body).toEqual({
      result: "revoked",
    });
    expect((await agent.call(github, "GET", "/proxy/github/repos/acme/api/issues")).status).toBe(401);
    expect((await agent.exchange(sessionToken, proxyOf("github"))).body).toMatchObject({ error: "invalid_request" });
    expect((await (await world.server()).introspect(forServer)).body).toEqual({ active: false });
    expect((await world.broker.admin("POST", `/admin/sessions/${sessionId}/revoke`, {})).body).toEqual({
      result: "already_ended",
    });
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}/receipt`);
      return status === 200 ? claimsOf(String(body["receipt"])) : undefined;
    });
    expect(receipt).toMatchObject({ outcome: "revoked", leases: [{ fate: { fate: "revoked" } }] });
    expect(await agent.call(sessionToken, "GET", `/sessions/${sessionId}`)).toMatchObject({
      status: 200,
      body: { status: "ended", outcome: "revoked" },
    });
  });

  it("Z05 issues no token after a revocation has returned", async () => {
    const { agent, sessionToken, sessionId } = await approvedSession(world);
    let revokedAt = Infinity;
    const hammer = Array.from({ length: 8 }, async () => {
      const late: number[] = [];
      for (let at = 0; at < 25; at += 1) {
        const startedAt = performance.now();
        const { status } = await agent.exchange(sessionToken, proxyOf("echo"));
        if (status === 200 && startedAt > revokedAt) late.push(startedAt);
      }
      return late;
    });
    await world.broker.admin("POST", `/admin/sessions/${sessionId}/revoke`, {});
    revokedAt = performance.now();
    expect((await Promise.all(hammer)).flat()).toEqual([]);
  });

  it("R09 cuts off what a person approved, and then everything, and what is asked for later is not touched", async () => {
    const session = await approvedSession(world);
    await until("the index", async () => {
      const { body } = await world.broker.admin("GET", "/admin/sessions");
      const rows = body["sessions"] as { session_id: string; approved_by: string[] }[];
      return rows.find(({ session_id, approved_by }) => session_id === session.sessionId && approved_by.length === 1);
    });
    const other = await world.broker.admin("POST", "/admin/people/sam@acme.example/revoke", {});
    expect(other.body["sessions"]).toEqual([]);
    expect((await session.agent.introspect(session.sessionToken)).body["active"]).toBe(true);
    const cut = await world.broker.admin("POST", "/admin/people/dana@acme.example/revoke", { reason: "lost phone" });
    expect(cut.body["sessions"]).toContain(session.sessionId);
    expect((await session.agent.introspect(session.sessionToken)).body).toEqual({ active: false });
    const agent = await world.freshAgent();
    const { auth_req_id } = (await agent.ask(ask())).body;
    expect((await world.broker.admin("POST", "/admin/revoke", {})).status).toBe(200);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
    const later = await until("a request after the cut-off's own second", async () => {
      const answer = await agent.ask(ask());
      return answer.status === 202 ? answer.body : undefined;
    });
    expect((await (await Approver.bySlack(world, "dana", later.session_id)).approve()).status).toBe(200);
    const token = tokenOf(await agent.poll(later.auth_req_id));
    expect((await agent.introspect(token)).body["active"]).toBe(true);
  });

  it("R09 cuts an agent off, in all its sessions", async () => {
    const { agent, sessionToken, proxyToken } = await approvedSession(world);
    const token = await proxyToken("echo");
    const { body } = await world.broker.admin("POST", `/admin/agents/${agent.clientId}/revoke`, {});
    expect(body).toMatchObject({ result: "revoked" });
    expect((await agent.call(token, "GET", "/proxy/echo/things")).status).toBe(401);
    expect((await agent.exchange(sessionToken, proxyOf("echo"))).status).toBe(400);
  });

  it("R01 R02 revokes only one's own tokens, and answers 200 to anything", async () => {
    const [one, two] = [await approvedSession(world), await approvedSession(world)];
    const token = await one.proxyToken("echo");
    const revoke = async (by: typeof one.agent, what: string) =>
      by.form("/oauth/revoke", async () => ({
        token: what,
        token_type_hint: "refresh_token",
        ...(await by.assertion()),
      }));
    expect((await revoke(two.agent, token)).status).toBe(200);
    expect((await one.agent.call(token, "GET", "/proxy/echo/things")).status).toBe(200);
    expect((await revoke(one.agent, "nonsense")).status).toBe(200);
    expect((await revoke(one.agent, token)).status).toBe(200);
    expect((await one.agent.call(token, "GET", "/proxy/echo/things")).status).toBe(401);
    expect((await one.agent.exchange(one.sessionToken, proxyOf("echo"))).status).toBe(200);
    expect((await revoke(one.agent, one.sessionToken)).status).toBe(200);
    expect((await one.agent.exchange(one.sessionToken, proxyOf("echo"))).status).toBe(400);
  });

  it("tells a server about tokens meant for it, and nobody else", async () => {
    const { serverToken, proxyToken, agent } = await approvedSession(world);
    const server = await world.server();
    const token = await serverToken();
    expect((await server.introspect(token)).body).toMatchObject({
      active: true,
      aud: SERVER,
      cnf: { jkt: expect.any(String) },
    });
    expect((await server.introspect(await proxyToken("echo"))).body).toEqual({ active: false });
    expect((await (await world.freshAgent()).introspect(token)).body).toEqual({ active: false });
    expect((await agent.introspect(token)).body).toMatchObject({ active: true });
    expect((await server.introspect("nonsense")).body).toEqual({ active: false });
  });

  it("W03 P18 narrows at once when the policy narrows", async () => {
    const { agent, sessionToken, proxyToken, serverToken } = await approvedSession(world);
    const server = await world.server();
    const [token, given] = [await proxyToken("echo"), await serverToken()];
    expect((await server.introspect(given)).body["scope"]).toBe("mcp:tickets:open_issue github:issues:write@acme/api");
    const { policies } = world.document as { policies: { allow: string[] }[] };
    const narrower = {
      ...world.document,
      policies: policies.map((policy) => ({
        ...policy,
        allow: policy.allow.filter((pattern) => !/^(?:echo|mcp):/.test(pattern)),
      })),
    };
    expect((await world.broker.admin("POST", "/admin/tenant", narrower)).status).toBe(200);
    // Whoever asks about a token is told what it is worth today.
    expect((await server.introspect(given)).body).toMatchObject({
      active: true,
      scope: "github:issues:write@acme/api",
      authorization_details: [WRITE_API],
    });
    expect((await agent.introspect(token)).body).toEqual({ active: false });
    expect((await agent.introspect(sessionToken)).body).toMatchObject({
      active: true,
      scope: "github:issues:read@acme/api github:issues:write@acme/api",
    });
    expect((await agent.call(token, "GET", "/proxy/echo/things")).status).toBe(403);
    expect((await agent.exchange(sessionToken, proxyOf("echo"))).body).toMatchObject({ error: "invalid_target" });
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });

  it("C13 refuses a client that was deleted after the approval", async () => {
    const { agent, sessionToken, proxyToken } = await approvedSession(world);
    const token = await proxyToken("echo");
    const { agents, policies } = world.document as {
      agents: { client_id: string }[];
      policies: { agents: string[] }[];
    };
    const without = {
      ...world.document,
      agents: agents.filter(({ client_id }) => client_id !== agent.clientId),
      policies: policies.map((policy) => ({ ...policy, agents: policy.agents.filter((id) => id !== agent.clientId) })),
    };
    await world.broker.admin("POST", "/admin/tenant", without);
    expect((await agent.call(token, "GET", "/proxy/echo/things")).status).toBe(401);
    expect((await agent.exchange(sessionToken, proxyOf("echo"))).body).toMatchObject({ error: "invalid_client" });
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });
});

async function expectEvent(source: string, type: string, reason: string): Promise<void> {
  await until(`the event ${reason}`, async () => {
    for (let after = 0; ;) {
      const { body } = await world.broker.admin("GET", `/admin/audit?after=${after}`);
      const rows = body["rows"] as { n: number; source: string; type: string; data: string }[];
      if (rows.some((row) => row.source === source && row.type === type && row.data.includes(reason))) return true;
      if (rows.length === 0) return undefined;
      after = rows.at(-1)!.n;
    }
  });
}
