import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { auditRows } from "./support/audit-rows.ts";
import { approvedSession, ask, ECHO, startTestWorld, type TestWorld } from "./support/world.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const TEAM = "T0ACME";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld({
    secrets: { SLACK_SIGNING_SECRET: SECRET },
    adjust: (document) => {
      const { notify, people } = document as { notify: { slack: object }; people: object[] };
      const interactions = { signing_secret: { secret: "SLACK_SIGNING_SECRET" }, team_id: TEAM };
      return {
        ...document,
        notify: { ...notify, slack: { ...notify.slack, interactions } },
        people: [...people, { id: "mallory@acme.example", name: "Mallory", slack: "U0MALLORY" }],
      };
    },
  });
});
afterAll(() => world?.close());

type Headers = Record<string, string>;
const now = (): number => Math.floor(Date.now() / 1000);
const signature = (timestamp: string, body: string, secret = SECRET): string =>
  `v0=${createHmac("sha256", secret).update(`v0:${timestamp}:${body}`).digest("hex")}`;

/** What Slack posts: the emulator has no buttons to press, so it is put together here as Slack documents it. */
function press(user: string, value: string, changes: Record<string, unknown> = {}): string {
  const payload = {
    type: "block_actions",
    team: { id: TEAM, domain: "acme" },
    user: { id: user, username: "somebody", name: "somebody", team_id: TEAM },
    api_app_id: "A0STINT",
    token: "verification-token",
    container: { type: "message", message_ts: "1.2", channel_id: "D1", is_ephemeral: false },
    trigger_id: "1.2.3",
    response_url: "https://hooks.slack.com/actions/T0ACME/1/x",
    actions: [{ action_id: "deny", block_id: "b", type: "button", value, action_ts: "1.2" }],
    ...changes,
  };
  return `payload=${encodeURIComponent(JSON.stringify(payload))}`;
}

async function send(body: string, headers: Headers = {}): Promise<{ status: number; text: string }> {
  const timestamp = String(now());
  const answer = await fetch(`${world.issuer}/slack/interactions`, {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "x-slack-request-timestamp": timestamp,
      "x-slack-signature": signature(headers["x-slack-request-timestamp"] ?? timestamp, body),
      ...headers,
    },
    body,
  });
  return { status: answer.status, text: await answer.text() };
}

async function request() {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask())).body;
  const status = async () => (await world.broker.admin("GET", `/admin/sessions/${session_id}`)).body["status"];
  return { agent, session_id, auth_req_id, status };
}

const dana = () => world.emulators.slackId("dana");

describe("denying in Slack's own message (group L)", () => {
  it("offers Deny beside the link, and denies at once for whom Slack says it was", async () => {
    const { agent, session_id, auth_req_id, status } = await request();
    const message = await until("the message", async () =>
      (await world.emulators.directMessages(await dana())).find((text) => text.includes(session_id)),
    );
    const buttons = [...message.matchAll(/"action_id":"([a-z]+)"/g)].map(([, name]) => name);
    expect(buttons).toEqual(["open", "deny"]);
    expect(await send(press(await dana(), session_id))).toEqual({ status: 200, text: "" });
    expect(await status()).toBe("ended");
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
    const row = await until("the audit row", async () =>
      (await auditRows(world)).find(({ type, data }) => type === "decision.denied" && data.includes('"slack"')),
    );
    expect(JSON.parse(row.data)).toMatchObject({ person: "dana@acme.example", via: "slack", assurance: "link" });
    await until("the outcome in its place", async () => {
      const messages = await world.emulators.directMessages(await dana());
      return messages.some((text) => text.includes("was denied") && !text.includes('"deny"')) ? true : undefined;
    });
  });

  it("L denies by whoever stands in, under their own name, and no longer once the other is back", async () => {
    const kim = { id: "kim@acme.example", name: "Kim", roles: ["approver"] };
    const { people, policies } = world.document as { people: object[]; policies: object[] };
    await world.broker.admin("POST", "/admin/tenant", {
      ...world.document,
      people: [...people, kim],
      policies: policies.map((policy) => ({ ...policy, approvers: [kim.id] })),
    });
    const end = new Date(Date.now() + 3_600_000).toISOString();
    const away = "/admin/people/kim@acme.example/away";
    await world.broker.admin("PUT", away, { until: end, delegate: "dana@acme.example" });
    const [one, other] = [await request(), await request()];
    expect((await send(press(await world.emulators.slackId("sam"), one.session_id))).status).toBe(403);
    expect((await send(press(await dana(), one.session_id))).status).toBe(200);
    expect(await one.status()).toBe("ended");
    const row = await until("the audit row", async () =>
      (await auditRows(world)).find(({ type, source }) => type === "decision.denied" && source === one.session_id),
    );
    expect(JSON.parse(row.data)).toMatchObject({ person: "dana@acme.example", on_behalf_of: kim.id, via: "slack" });
    await world.broker.admin("DELETE", away);
    expect((await send(press(await dana(), other.session_id))).status).toBe(403);
    expect(await other.status()).toBe("pending");
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });

  it("L takes back a request for more alone: the session goes on with what it had", async () => {
    const { agent, sessionId, sessionToken } = await approvedSession(world, {
      authorization_details: [{ ...ECHO, actions: ["things:read"] }],
    });
    const { body } = await agent.call(sessionToken, "POST", `/sessions/${sessionId}/grants`, {
      authorization_details: [{ ...ECHO, actions: ["things:write"] }],
    });
    expect((await send(press(await dana(), String(body["request_id"])))).status).toBe(200);
    const after = await until("the session to be told", async () => {
      const { body: seen } = await agent.call(sessionToken, "GET", `/sessions/${sessionId}`);
      return (seen["step_up"] as { status: string }).status === "pending" ? undefined : seen;
    });
    expect(after).toMatchObject({ status: "active", step_up: { status: "denied" } });
    // A message about a session at work denies nothing any more.
    expect((await send(press(await dana(), sessionId))).status).toBe(200);
    expect((await agent.call(sessionToken, "GET", `/sessions/${sessionId}`)).body).toMatchObject({ status: "active" });
  });

  it("L10 FO denies once, however often Slack says it, and whoever says it after", async () => {
    const { session_id } = await request();
    const body = press(await dana(), session_id);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) => send(body, { "x-slack-retry-num": String(at) })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    const denials = await until("the audit row", async () => {
      const rows = (await auditRows(world)).filter(
        ({ type, source }) => type === "decision.denied" && source.includes(session_id),
      );
      return rows.length > 0 ? rows : undefined;
    });
    expect(denials).toHaveLength(1);
  });

  it("says nothing to a press that it has no use for: a link that was opened", async () => {
    const { session_id, status } = await request();
    const actions = [{ action_id: "open", block_id: "b", type: "button", action_ts: "1.2" }];
    expect(await send(press(await dana(), session_id, { actions }))).toEqual({ status: 200, text: "" });
    expect(await status()).toBe("pending");
  });

  it.each([
    ["L03 an old timestamp", () => ({ "x-slack-request-timestamp": String(now() - 302) })],
    ["L04 a timestamp to come", () => ({ "x-slack-request-timestamp": String(now() + 303) })],
    ["L05 a timestamp that is no number", () => ({ "x-slack-request-timestamp": "today" })],
    ["L05 a timestamp with a sign", () => ({ "x-slack-request-timestamp": `+${now()}` })],
    ["L05 a timestamp in other digits", () => ({ "x-slack-request-timestamp": `${now()}.0` })],
    ["L05 a timestamp in hexadecimal", () => ({ "x-slack-request-timestamp": `0x${now().toString(16)}` })],
    ["L05 no timestamp", () => ({ "x-slack-request-timestamp": "" })],
    ["no signature", () => ({ "x-slack-signature": "" })],
    ["a signature of nothing", () => ({ "x-slack-signature": "v0=" })],
    ["another version's signature", (body: string) => ({ "x-slack-signature": `v1${at(body).slice(2)}` })],
    ["a signature in capitals", (body: string) => ({ "x-slack-signature": at(body).toUpperCase() })],
    ["two signatures", (body: string) => ({ "x-slack-signature": `${at(body)}, ${at(body)}` })],
    ["a signature by another app", (body: string) => ({ "x-slack-signature": at(body, "another") })],
    ["a signature by no secret", (body: string) => ({ "x-slack-signature": at(body, "") })],
    ["a signature over another body", (body: string) => ({ "x-slack-signature": at(`${body}&x=1`) })],
  ])("refuses %s", async (_, headersOf: (body: string) => Headers) => {
    const { session_id, status } = await request();
    const body = press(await dana(), session_id);
    const answer = await send(body, headersOf(body));
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([401, { error: "invalid_signature" }]);
    expect(await status()).toBe("pending");
  });

  const at = (body: string, secret?: string): string => signature(String(now()), body, secret);

  it("L08 refuses a body that means the same in other letters", async () => {
    const { session_id, status } = await request();
    const body = press(await dana(), session_id);
    const timestamp = String(now());
    const headers = { "x-slack-request-timestamp": timestamp, "x-slack-signature": signature(timestamp, body) };
    expect((await send(body.replaceAll("%22", '"'), headers)).status).toBe(401);
    expect((await send(`${body}&`, headers)).status).toBe(401);
    expect(await status()).toBe("pending");
  });

  it.each([
    ["another workspace", { team: { id: "T0OTHER" } }],
    ["a guest of another workspace", { user: { id: "", team_id: "T0OTHER" } }],
    ["an installation in a whole enterprise", { team: null, enterprise: { id: "E0ACME" } }],
    ["a workspace that is many", { team: { id: [TEAM] } }],
  ])("L12 takes nothing from %s", async (_, changes: Record<string, unknown>) => {
    const { session_id, status } = await request();
    const id = await dana();
    const user = changes["user"] === undefined ? {} : { user: { ...(changes["user"] as object), id } };
    const { status: code, text } = await send(press(id, session_id, { ...changes, ...user }));
    expect(code === 403 || (code === 200 && text === "")).toBe(true);
    expect(await status()).toBe("pending");
  });

  it.each([
    ["somebody who was not asked", "U0MALLORY"],
    ["a member whom nobody here knows", "U0STRANGER"],
    ["a person's id in place of a member's", "dana@acme.example"],
  ])("takes nothing from %s", async (_, user) => {
    const { session_id, status } = await request();
    expect((await send(press(user, session_id))).status).toBe(403);
    expect(await status()).toBe("pending");
  });

  it("L13 takes nothing for a session that is not this tenant's, or is none", async () => {
    const elsewhere = await startTestWorld();
    const { session_id } = (await (await elsewhere.freshAgent()).ask(ask())).body;
    expect((await send(press(await dana(), session_id))).status).toBe(403);
    expect((await elsewhere.broker.admin("GET", `/admin/sessions/${session_id}`)).body["status"]).toBe("pending");
    await elsewhere.close();
    for (const value of ["", "x", `${session_id}x`, "../sessions"])
      expect((await send(press(await dana(), value))).status).toBe(400);
  });

  it.each([
    ["two buttons", { actions: [1, 2].map(() => ({ action_id: "deny", type: "button", value: "x" })) }],
    ["no button", { actions: [] }],
    ["a list in place of a button", { actions: [{ action_id: "deny", type: "static_select", value: "x" }] }],
    ["Approve", { actions: [{ action_id: "approve", type: "button", value: "x" }] }],
    ["a window that was closed", { type: "view_submission" }],
    ["a shortcut", { type: "shortcut" }],
  ])("does nothing for %s", async (_, changes: { type?: string; actions?: object[] }) => {
    const { session_id, status } = await request();
    const actions = changes.actions?.map((action) => ({ ...action, value: session_id }));
    const body = press(await dana(), session_id, { ...changes, ...(actions === undefined ? {} : { actions }) });
    expect(await send(body)).toEqual({ status: 200, text: "" });
    expect(await status()).toBe("pending");
  });

  it.each([
    ["no payload", "x=1"],
    ["two payloads", "payload=%7B%7D&payload=%7B%7D"],
    ["no JSON", "payload=%7B"],
    ["a member twice", `payload=${encodeURIComponent('{"type":"block_actions","type":"x"}')}`],
    ["a body that is no text", "payload=%ff"],
  ])("refuses %s, signed as it is", async (_, body) => {
    expect((await send(body)).status).toBe(400);
  });

  it("refuses other kinds of bodies, and more than fits", async () => {
    expect((await send("{}", { "content-type": "application/json" })).status).toBe(415);
    expect((await send(`payload=${"x".repeat(70_000)}`)).status).toBe(413);
    expect((await fetch(`${world.issuer}/slack/interactions`)).status).toBe(405);
  });

  it("L14 never calls the address that a press brings", async () => {
    let calls = 0;
    const server = createServer((_, response) => {
      calls += 1;
      response.end();
    });
    await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const changes = { response_url: `http://127.0.0.1:${port}/actions` };
    const { session_id, agent, auth_req_id } = await request();
    expect((await send(press("U0MALLORY", session_id, changes))).status).toBe(403);
    expect((await send(press(await dana(), session_id, changes))).status).toBe(200);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
    expect(calls).toBe(0);
    server.close();
  });

  it("is there only where a tenant says so", async () => {
    const plain = await startTestWorld();
    const answer = await fetch(`${plain.issuer}/slack/interactions`, { method: "POST", body: press("U1", "x") });
    expect(answer.status).toBe(404);
    await plain.close();
  });
});
