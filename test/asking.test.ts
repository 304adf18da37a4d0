import { randomBytes, randomUUID } from "node:crypto";
import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TOKEN_EXCHANGE_GRANT } from "../cli/agent-client.ts";
import { until } from "../demo/until.ts";
import { Approver } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { sessionFiles } from "./support/session-files.ts";
import { approvedSession, ask, ECHO, READ_API, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

/** Posts a body as it is, with a proof and an assertion that are good. */
async function post(
  text: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${world.issuer}/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: text,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** What is answered to a form that no library would send: its head to the byte. */
function rawForm(head: string, body: string): Promise<string> {
  return new Promise((done) => {
    const { host } = new URL(world.issuer);
    const lines = `Host: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\n${head}\r\nConnection: close`;
    let said = "";
    const socket = connect(world.broker.port, "127.0.0.1", () =>
      socket.end(`POST /oauth/token HTTP/1.1\r\n${lines}\r\n\r\n${body}`),
    );
    socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
    socket.on("error", () => done(said)).on("close", () => done(said));
  });
}

/** Sends a whole request for a session, and does not wait for its answer. */
function hangUp(headers: Record<string, string>, body: string): Promise<void> {
  return new Promise((done) => {
    const { port } = world.broker;
    const host = new URL(world.issuer).host;
    const sent = request({ host: "127.0.0.1", port, path: "/sessions", method: "POST", headers: { ...headers, host } });
    sent.on("error", () => done());
    sent.on("close", () => done());
    sent.end(body, () => sent.destroy());
  });
}

describe("asking for a session (group Q)", () => {
  it.each<[string, unknown]>([
    ["an object", {}],
    ["a text", "[]"],
    ["empty", []],
    ["a list in a list", [[]]],
    ["null", null],
    ["a hundred entries", Array.from({ length: 100 }, () => READ_API)],
    ["double-encoded", JSON.stringify([READ_API])],
    ["of an unknown type", [{ ...READ_API, type: "everything" }]],
    ["with an unknown member", [{ ...READ_API, admin: true }]],
    ["without actions", [{ ...READ_API, actions: [] }]],
    ["with an action twice", [{ ...READ_API, actions: ["issues:read", "issues:read"] }]],
    ["with a wildcard location", [{ ...READ_API, locations: ["acme/*"] }]],
    ["with a wildcard action", [{ ...READ_API, actions: ["*"] }]],
    ["with a location that has a line end", [{ ...READ_API, locations: ["acme/api\n"] }]],
    ["for an unknown upstream", [{ ...READ_API, upstream: "gitlab" }]],
    ["for an unknown operation", [{ ...READ_API, actions: ["issues:admin"] }]],
    ["without the locations it needs", [{ type: "upstream_access", upstream: "github", actions: ["issues:read"] }]],
    ["with locations where there are none", [{ ...ECHO, locations: ["x"] }]],
    ["for an unknown server", [{ type: "mcp_tools", server: "nobody", actions: ["x"] }]],
    ["for an unknown tool", [{ type: "mcp_tools", server: "tickets", actions: ["Open_Issue"] }]],
    ["for a tool named like a prototype", [{ type: "mcp_tools", server: "tickets", actions: ["constructor"] }]],
  ])("Q04 Q05 refuses authorization_details that are %s", async (_, authorization_details) => {
    const agent = await world.freshAgent();
    expect(await agent.ask(ask({ authorization_details }))).toMatchObject({
      status: 400,
      body: { error: "invalid_authorization_details" },
    });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["Q09 no time", { expires_in: 0 }, "invalid_request"],
    ["Q09 less than no time", { expires_in: -1 }, "invalid_request"],
    ["Q09 a billion seconds", { expires_in: 1e9 }, "invalid_request"],
    ["Q09 a text", { expires_in: "abc" }, "invalid_request"],
    ["Q09 half a second", { expires_in: 60.5 }, "invalid_request"],
    ["Q09 more than the policy's time", { expires_in: 1801 }, "invalid_request"],
    ["Q08 a scope", { scope: "offline_access" }, "invalid_scope"],
    ["an unknown member", { admin: true }, "invalid_request"],
    ["no authorization_details", { authorization_details: undefined }, "invalid_request"],
    ["no title", { task: {} }, "invalid_request"],
    ["an empty title", { task: { title: " \n " } }, "invalid_request"],
    ["a title that is a number", { task: { title: 7 } }, "invalid_request"],
    ["a reference over http", { task: { title: "x", reference: "http://a.test" } }, "invalid_request"],
    ["a reference in javascript", { task: { title: "x", reference: "javascript:alert(1)" } }, "invalid_request"],
    ["a reference with a user", { task: { title: "x", reference: "https://u:p@a.test" } }, "invalid_request"],
    ["Q02 an unknown user", { user: "nobody@acme.example" }, "unknown_user_id"],
  ])("refuses %s", async (_, changes, error) => {
    const agent = await world.freshAgent();
    expect(await agent.ask(ask(changes))).toMatchObject({ status: 400, body: { error } });
  });

  it("refuses what no policy allows, and notifies nobody", async () => {
    const agent = await world.freshAgent();
    const outside = await agent.ask(ask({ authorization_details: [{ ...READ_API, locations: ["evil/api"] }] }));
    expect(outside).toMatchObject({ status: 403, body: { error: "access_denied" } });
    const secrets = await agent.ask(ask({ authorization_details: [{ ...ECHO, actions: ["secrets:read"] }] }));
    expect(secrets).toMatchObject({ status: 403, body: { error: "access_denied" } });
  });

  it("refuses a person who would approve for themselves", async () => {
    const agent = await world.freshAgent();
    const asked = await agent.ask(ask({ user: "dana@acme.example" }));
    expect(asked).toMatchObject({
      status: 403,
      body: { error: "access_denied", error_description: expect.stringContaining("nobody who may approve") },
    });
  });

  it("Q17 answers a repeated Idempotency-Key alike, and another body under it not at all", async () => {
    const agent = await world.freshAgent();
    const key = randomUUID();
    const first = await agent.ask(ask(), key);
    const again = await agent.ask(ask(), key);
    expect(again.body).toMatchObject({
      session_id: first.body.session_id,
      auth_req_id: first.body.auth_req_id,
      match_code: first.body.match_code,
    });
    expect(await agent.ask(ask({ expires_in: 300 }), key)).toMatchObject({ status: 422 });
    const slackId = await world.emulators.slackId("dana");
    await until("the link", async () =>
      (await world.emulators.directMessages(slackId)).find((message) => message.includes(first.body.match_code)),
    );
    const messages = (await world.emulators.directMessages(slackId)).filter((message) =>
      message.includes(first.body.match_code),
    );
    expect(messages).toHaveLength(1);
  });

  it("Q28 merges the same open request, also of fifty in parallel", async () => {
    const agent = await world.freshAgent();
    await agent.ask(ask({ expires_in: 61 }));
    const answers = await Promise.all(Array.from({ length: 50 }, () => agent.ask(ask())));
    const sessions = new Set(answers.filter(({ status }) => status === 202).map(({ body }) => body.session_id));
    expect(sessions.size).toBe(1);
  });

  it("FP opens one session, and asks its human once, when the agent hangs up at once and asks again", async () => {
    const agent = await world.freshAgent();
    const nonce = (await agent.poll("x")).headers.get("dpop-nonce") ?? "";
    const wanted = ask({ task: { title: "Hung up" }, authorization_details: [READ_API] });
    for (let times = 0; times < 3; times += 1) {
      const body = JSON.stringify({ ...wanted, ...(await agent.assertion()) });
      const dpop = await agent.proof("POST", `${world.issuer}/sessions`, nonce);
      await hangUp({ "content-type": "application/json", "idempotency-key": "hung-up", dpop }, body);
    }
    const { status, body } = await agent.ask(wanted, "hung-up");
    expect(status).toBe(202);
    const slackId = await world.emulators.slackId("dana");
    const messages = await until("the message", async () => {
      const found = (await world.emulators.directMessages(slackId)).filter((message) => message.includes("Hung up"));
      return found.length > 0 ? found : undefined;
    });
    expect(messages).toHaveLength(1);
    const own = await until("the index", async () => {
      const { body: listed } = await world.broker.admin("GET", "/admin/sessions");
      const rows = listed["sessions"] as { session_id: string; client_id: string }[];
      const found = rows.filter(({ client_id }) => client_id === agent.clientId);
      return found.length > 0 ? found : undefined;
    });
    expect(own.map(({ session_id }) => session_id)).toEqual([body.session_id]);
  });

  it("opens a new session when the same is asked after the first has ended", async () => {
    const first = await approvedSession(world);
    await first.agent.call(first.sessionToken, "POST", `/sessions/${first.sessionId}/end`);
    const again = await first.agent.ask(ask());
    expect(again.status).toBe(202);
    expect(again.body.session_id).not.toBe(first.sessionId);
    expect((await first.agent.poll(again.body.auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
  });

  it("Q18 Q20 holds the caps of one agent without touching another", async () => {
    const agent = await world.freshAgent();
    const statuses: number[] = [];
    for (let at = 0; at < 6; at += 1) statuses.push((await agent.ask(ask({ expires_in: 100 + at }))).status);
    expect(statuses).toEqual([202, 202, 202, 202, 202, 429]);
    const refused = await agent.ask(ask({ expires_in: 200 }));
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await (await world.freshAgent()).ask(ask())).status).toBe(202);
  });

  it("A30 suspends an agent after repeated denials", async () => {
    const agent = await world.freshAgent();
    for (let at = 0; at < 3; at += 1) {
      const { session_id, auth_req_id } = (await agent.ask(ask({ expires_in: 100 + at }))).body;
      await (await Approver.bySlack(world, "dana", session_id)).deny();
      expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
    }
    // A request that came in before the third denial was counted is answered again as it stands.
    let seconds = 200;
    await until("the suspension", async () => {
      seconds += 1;
      return (await agent.ask(ask({ expires_in: seconds }))).status === 403 ? true : undefined;
    });
  });

  it("A30 counts denials of different people, by any door and for any access, and an admin ends the suspension", async () => {
    const { people, agents } = world.document as { people: object[]; agents: object[] };
    await world.broker.admin("POST", "/admin/tenant", {
      ...world.document,
      people: [...people, { id: "kim@acme.example", name: "Kim" }],
      agents: agents.map((one) => ({ ...one, owner: "kim@acme.example" })),
    });
    const agent = await world.freshAgent();
    const seen: string[] = [];
    for (const [at, name] of (["dana", "sam", "dana"] as const).entries()) {
      const asked =
        at === 1
          ? await agent.form("/oauth/backchannel", async () => ({
              scope: "github:issues:read@acme/api",
              login_hint: "sam@acme.example",
              ...(await agent.assertion()),
            }))
          : await agent.ask(ask({ expires_in: 100 + at }));
      expect(asked.status).toBeLessThan(300);
      const id = await until("the new session", async () => {
        const { body } = await world.broker.admin("GET", "/admin/sessions");
        const mine = (body["sessions"] as { session_id: string; client_id: string }[]).filter(
          ({ client_id }) => client_id === agent.clientId,
        );
        return mine.find(({ session_id }) => !seen.includes(session_id))?.session_id;
      });
      seen.push(id);
      await (await Approver.bySlack(world, name, id)).deny();
    }
    await until("the event", async () =>
      (await auditRows(world)).find(
        ({ source, type }) => source === `agent:${agent.clientId}` && type === "agent.suspended",
      ),
    );
    const refused = await agent.ask(ask({ expires_in: 200 }));
    expect(refused).toMatchObject({ status: 403, body: { error: "access_denied" } });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(3000);
    const reinstate = (id: string) => world.broker.admin("POST", `/admin/agents/${id}/reinstate`, {});
    expect((await reinstate("nobody")).status).toBe(404);
    expect((await reinstate(agent.clientId)).body).toEqual({ reinstated: true });
    expect((await reinstate(agent.clientId)).body).toEqual({ reinstated: false });
    expect((await agent.ask(ask({ expires_in: 201 }))).status).toBe(202);
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });

  it("lets the agent take a pending request back, and only its own", async () => {
    const [agent, other] = [await world.freshAgent(), await world.freshAgent()];
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    const withdraw = async (by: typeof agent) =>
      fetch(`${world.issuer}/sessions/${session_id}/end`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(await by.assertion()),
      });
    expect((await withdraw(other)).status).toBe(404);
    expect(await (await withdraw(agent)).json()).toMatchObject({ status: "ended", outcome: "withdrawn" });
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "invalid_grant" });
    expect((await withdraw(agent)).status).toBe(409);
  });

  it("keeps nothing on disk of sessions that were only guessed", async () => {
    const agent = await world.freshAgent();
    expect((await agent.ask(ask())).status).toBe(202);
    const before = sessionFiles(world);
    expect(before).toBeGreaterThan(0);
    for (let guess = 0; guess < 5; guess += 1)
      expect((await agent.withdraw(`ses_${randomBytes(16).toString("base64url")}`)).status).toBe(404);
    for (const id of ["", "%00", "ses_", "..", "ses_AAAAAAAAAAAAAAAAAAAAAA"])
      expect((await agent.withdraw(id)).status, id).toBeGreaterThanOrEqual(400);
    expect(sessionFiles(world)).toBe(before);
  });
});

describe("bodies (group B)", () => {
  it.each<[string, string | Uint8Array<ArrayBuffer>, Record<string, string>, number]>([
    ["B02 JSON a million levels deep", "[".repeat(60_000), {}, 400],
    ["a member twice", '{"task":{"title":"a"},"task":{"title":"b"}}', {}, 400],
    ["__proto__", '{"__proto__":{"x":1}}', {}, 400],
    ["a list", "[]", {}, 400],
    ["a text", '"x"', {}, 400],
    ["null", "null", {}, 400],
    ["nothing", "", {}, 400],
    ["broken JSON", "{", {}, 400],
    ["B05 a large body", JSON.stringify({ x: "a".repeat(70_000) }), {}, 413],
    ["B07 I13 invalid UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), {}, 400],
    ["B07 a byte order mark", "\uFEFF{}", {}, 400],
    ["B07 I13 a lone surrogate", '{"task":{"title":"\\ud800"}}', {}, 400],
    ["NUL", '{"task":{"title":"\\u0000"}}', {}, 400],
    ["B08 another charset", "{}", { "content-type": "application/json; charset=utf-16" }, 415],
    ["B15 a content encoding", "{}", { "content-encoding": "gzip" }, 415],
    ["Q16 a form", "a=b", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["C09 a malformed content type", "{}", { "content-type": ";;;" }, 415],
  ])("refuses %s", async (_, body, headers, status) => {
    const answer = await post(body, headers);
    expect(answer).toMatchObject({ status, body: { error: "invalid_request" } });
  });

  it.each([
    ["in chunks, without a length", "Transfer-Encoding: chunked"],
    ["in chunks, with a smaller length before them", "Content-Length: 4\r\nTransfer-Encoding: chunked"],
    ["in chunks, with a smaller length after them", "Transfer-Encoding: chunked\r\nContent-Length: 4"],
  ])("B05 reads a body %s, and no large one", async (_, head) => {
    const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
    expect(await rawForm(head, chunked("grant_type=refresh_token"))).toContain("unsupported_grant_type");
    expect(await rawForm(head, chunked(`a=${"1".repeat(70_000)}`))).toMatch(/^HTTP\/1\.1 413/);
  });

  it("answers a body that breaks off before its length", async () => {
    expect(await rawForm("Content-Length: 400", "grant_type=refresh_token")).toContain("the body broke off");
  });

  it.each([
    ["GET", "/sessions", 405],
    ["PATCH", "/sessions/ses_AAAAAAAAAAAAAAAAAAAAAA", 405],
    ["DELETE", "/sessions/ses_AAAAAAAAAAAAAAAAAAAAAA", 405],
    ["GET", "/sessions/ses_AAAAAAAAAAAAAAAAAAAAAA/end", 405],
    ["PUT", "/sessions/ses_AAAAAAAAAAAAAAAAAAAAAA/grants", 405],
    ["POST", "/.well-known/oauth-protected-resource/mcp", 405],
    ["POST", "/.well-known/openid-configuration", 405],
    ["PUT", "/oauth/token", 405],
    ["GET", "/oauth/token", 405],
    ["GET", "/nothing", 404],
    ["DELETE", "/approve", 405],
    ["OPTIONS", "/sessions", 405],
  ])("H16 B16 answers %s %s with %i", async (method, path, status) => {
    expect((await fetch(world.issuer + path, { method })).status).toBe(status);
  });

  it("answers an address that is longer than any of ours with 414", async () => {
    const response = await fetch(`${world.issuer}/${"x".repeat(8200)}`);
    expect([response.status, await response.json()]).toMatchObject([414, { error: "invalid_request" }]);
  });

  it("H17 refuses a repeated form parameter, and 1e5 of them", async () => {
    const form = async (body: string) =>
      fetch(`${world.issuer}/oauth/token`, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body,
      });
    expect(await (await form("grant_type=a&grant_type=a")).json()).toMatchObject({ error: "invalid_request" });
    expect((await form("a=1&".repeat(10_000))).status).toBe(400);
    expect((await form("a=%FF")).status).toBe(400);
    expect((await form(`a=${"1".repeat(100_000)}`)).status).toBe(413);
  });

  it("H14 registers nobody: there is no such endpoint, and none is advertised", async () => {
    const metadata = (await (await fetch(`${world.issuer}/.well-known/oauth-authorization-server`)).json()) as object;
    expect(Object.keys(metadata)).not.toContain("registration_endpoint");
    for (const path of ["/oauth/register", "/register", "/connect/register"])
      for (const redirect of ["javascript:alert(1)", "http://evil.example/cb", "https://*.example/cb"]) {
        const body = JSON.stringify({ redirect_uris: [redirect] });
        expect((await fetch(world.issuer + path, { method: "POST", body })).status).toBe(404);
      }
  });

  it("H19 lets no page of another origin read an answer, nor send a request that it must ask for first", async () => {
    const headers = { origin: "https://evil.example", cookie: "a=b", "access-control-request-method": "POST" };
    for (const path of [
      "/oauth/token",
      "/sessions",
      "/oauth/introspect",
      "/approve/view",
      "/inbox/view",
      "/admin/tenant",
      "/proxy/echo/things",
    ])
      for (const method of ["OPTIONS", "POST"]) {
        const response = await fetch(world.issuer + path, { method, headers });
        expect(response.status, path).toBeGreaterThanOrEqual(400);
        for (const [name] of response.headers) expect(name, path).not.toMatch(/^access-control-/);
      }
    const open = await fetch(`${world.issuer}/oauth/jwks`, { headers });
    expect(open.headers.get("access-control-allow-origin")).toBe("*");
    expect(open.headers.get("access-control-allow-credentials")).toBeNull();
  });

  it("H21 puts nothing of the caller's into an error that could end a header, a line or a quotation", async () => {
    const hostile = 'x\r\nset-cookie: a=b\t"<script>\\ é\u2028\u202e';
    const form = async (path: string, fields: Record<string, string>) =>
      fetch(world.issuer + path, { method: "POST", body: new URLSearchParams(fields) });
    const json = async (body: object) =>
      fetch(`${world.issuer}/sessions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    for (const response of [
      await form("/oauth/token", { grant_type: hostile }),
      await form("/oauth/token", { grant_type: TOKEN_EXCHANGE_GRANT, subject_token: hostile, resource: hostile }),
      await form("/oauth/par", { client_id: hostile, [hostile]: hostile }),
      await json({ [hostile]: 1 }),
      await json(ask({ authorization_details: [{ ...READ_API, upstream: hostile, [hostile]: hostile }] })),
      await json(ask({ authorization_details: [{ type: hostile }] })),
    ]) {
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.headers.get("set-cookie")).toBeNull();
      const { error_description } = (await response.json()) as { error_description: string };
      expect(error_description).toMatch(/^[\x20-\x21\x23-\x5B\x5D-\x7E]{1,400}$/);
    }
  });

  it("B14 takes quotes, wildcards and statements for what they are, wherever a text is looked up", async () => {
    const agent = await world.freshAgent();
    const hostile = `x'); DROP TABLE ask; -- %_"\``;
    const title = `'; DELETE FROM session; -- ${hostile}`;
    const first = await agent.ask(ask({ task: { title } }), "a%_'--key");
    expect(first.status).toBe(202);
    expect((await agent.ask(ask({ task: { title } }), "a%_'--key")).body.session_id).toBe(first.body.session_id);
    // A wildcard finds nothing but itself.
    expect((await agent.ask(ask({ task: { title: "%" } }), "a%__--key")).body.session_id).not.toBe(
      first.body.session_id,
    );
    for (const id of ["d%", "dana_acme.example"]) {
      const path = `/admin/people/${encodeURIComponent(id)}/revoke`;
      const cut = await world.broker.admin("POST", path, { reason: hostile });
      expect(cut.body["sessions"], path).toEqual([]);
    }
    for (const id of ["%", "bot-%", hostile])
      expect((await world.broker.admin("POST", `/admin/agents/${encodeURIComponent(id)}/revoke`, {})).status).toBe(404);
    expect((await agent.ask(ask({ task: { title: "Still there" } }))).status).toBe(202);
  });

  it("answers an unknown host with 404, and never builds anything from it", async () => {
    const response = await fetch(`http://127.0.0.1:${world.broker.port}/.well-known/oauth-authorization-server`);
    expect(response.status).toBe(404);
  });
});
