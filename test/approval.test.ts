import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf, readFields } from "./support/approver.ts";
import { approvedSession, ask, READ_API, startTestWorld, tokenOf, WRITE_API, type TestWorld } from "./support/world.ts";
import { newKey, signRaw } from "./support/forge.ts";
import type { StintClient } from "../cli/agent-client.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

interface Waiting {
  readonly agent: StintClient;
  readonly sessionId: string;
  readonly authReqId: string;
  readonly dana: Approver;
}

async function waiting(changes: Record<string, unknown> = {}): Promise<Waiting> {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask(changes))).body;
  return {
    agent,
    sessionId: session_id,
    authReqId: auth_req_id,
    dana: await Approver.bySlack(world, "dana", session_id),
  };
}

const stillPending = async ({ agent, authReqId }: Waiting) => {
  const { body } = await agent.poll(authReqId);
  expect(["authorization_pending", "slow_down"]).toContain(body["error"]);
};

describe("the approval link (group A)", () => {
  it("is signed for one person, one request, one use, and carried in the fragment", async () => {
    const { dana, sessionId } = await waiting();
    const claims = claimsOf(dana.token);
    expect(claims).toMatchObject({
      iss: world.issuer,
      aud: `${world.issuer}/approve`,
      sub: "dana@acme.example",
      sid: sessionId,
      request_digest: expect.any(String),
    });
    expect(JSON.parse(Buffer.from(dana.token.split(".")[0]!, "base64url").toString())).toMatchObject({
      typ: "stint-approval+jwt",
      alg: "ES256",
    });
  });

  it("A01 is not harmed by scanners: GET, HEAD and OPTIONS change nothing", async () => {
    const request = await waiting();
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      for (let at = 0; at < 20; at += 1) {
        const response = await fetch(`${world.issuer}/approve`, { method });
        expect([200, 405]).toContain(response.status);
      }
      expect([404, 405]).toContain((await fetch(`${world.issuer}/approve/decide`, { method })).status);
    }
    await stillPending(request);
    expect((await request.dana.approve()).status).toBe(200);
  });

  it("A01 is a page as well where somebody opens the address of a form, and changes nothing", async () => {
    const request = await waiting();
    for (const path of [
      "/approve/view",
      "/approve/decide",
      "/inbox/view",
      "/sign-in/finish",
      "/oauth/authorize/continue",
    ]) {
      const response = await fetch(world.issuer + path, { headers: { accept: "text/html" } });
      expect([path, response.status, response.headers.get("allow")]).toEqual([path, 405, "POST"]);
      expect(await response.text()).toContain("This page is shown by another");
      expect((await fetch(world.issuer + path)).headers.get("content-type")).toContain("application/json");
    }
    await stillPending(request);
  });

  it("A22 shows nothing of the task before the token was posted", async () => {
    const html = await (await fetch(`${world.issuer}/approve`)).text();
    expect(html).not.toContain("A task");
    expect(html).not.toContain("og:");
  });

  it("is answered with headers that forbid framing, scripts from elsewhere and caching", async () => {
    const { headers } = await fetch(`${world.issuer}/approve`);
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("cache-control")).toBe("no-store");
  });

  it.each<[string, (request: Waiting) => Promise<string> | string]>([
    ["an altered link", ({ dana }) => dana.token.replace(/.{4}$/, "AAAA")],
    [
      "a link by another key",
      async ({ dana }) =>
        signRaw({ alg: "ES256", typ: "stint-approval+jwt", kid: "x" }, claimsOf(dana.token), await newKey()),
    ],
    ["a link cut short", ({ dana }) => dana.token.slice(0, 60)],
    ["nothing", () => ""],
    ["J26 a session token", async () => (await approvedSession(world)).sessionToken],
    ["J26 an access token", async () => (await approvedSession(world)).proxyToken("echo")],
  ])("is refused with 404 when it is %s", async (_, make) => {
    const request = await waiting();
    const page = await request.dana.post("/approve/view", { token: await make(request) });
    expect(page.status).toBe(404);
    expect(page.html).toContain("This link is not valid");
    await stillPending(request);
  });

  it("A03 refuses a decision without, with a wrong, or with another browser's CSRF token", async () => {
    const request = await waiting();
    const { dana } = request;
    const fields = { token: dana.token, decision: "deny", digest: String(claimsOf(dana.token)["request_digest"]) };
    expect((await dana.post("/approve/decide", fields)).status).toBe(403);
    await dana.view();
    expect((await dana.post("/approve/decide", { ...fields, csrf: "x" })).status).toBe(403);
    const other = new Approver(world.issuer, dana.token);
    const { html } = await other.view();
    expect(
      (await dana.post("/approve/decide", { ...fields, csrf: /name="csrf" value="([^"]*)"/.exec(html)![1]! })).status,
    ).toBe(403);
    await stillPending(request);
  });

  it("A05 takes a form and nothing else, from its own page and nowhere else", async () => {
    const request = await waiting();
    await request.dana.view();
    expect(
      (await request.dana.post("/approve/view", { token: request.dana.token }, { "content-type": "text/plain" }))
        .status,
    ).toBe(415);
    expect(
      (await request.dana.post("/approve/view", { token: request.dana.token }, { origin: "https://evil.test" })).status,
    ).toBe(403);
    expect((await request.dana.post("/approve/view", { token: request.dana.token }, { origin: "null" })).status).toBe(
      403,
    );
    expect(
      (await request.dana.post("/approve/view", { token: request.dana.token }, { "sec-fetch-site": "cross-site" }))
        .status,
    ).toBe(403);
    await stillPending(request);
  });

  it("A13 refuses a digest that is not that of the grant", async () => {
    const request = await waiting();
    await request.dana.view();
    await request.dana.review();
    expect((await request.dana.decide("approve", { digest: "A".repeat(43) })).status).toBe(409);
    await stillPending(request);
  });

  it.each<[string, (grant: { authorization_details: object[]; expires_at: number }) => object]>([
    [
      "another repository",
      (grant) => ({ ...grant, authorization_details: [{ ...READ_API, locations: ["acme/web"] }] }),
    ],
    [
      "a stronger action",
      (grant) => ({ ...grant, authorization_details: [{ ...READ_API, actions: ["contents:write"] }] }),
    ],
    ["a later end", (grant) => ({ ...grant, expires_at: grant.expires_at + 3600 })],
    ["an end long past", (grant) => ({ ...grant, expires_at: 1 })],
    ["nothing at all", (grant) => ({ ...grant, authorization_details: [] })],
    ["another shape", () => ({ x: 1 })],
  ])("A15 refuses a grant with %s, whatever its digest", async (_, change) => {
    const request = await waiting();
    await request.dana.view();
    const { html } = await request.dana.review();
    const grant = JSON.parse(/name="grant" value="([^"]*)"/.exec(html)![1]!.replaceAll("&quot;", '"')) as never;
    const text = JSON.stringify(change(grant));
    const digest = createHash("sha256").update(text).digest("base64url");
    expect((await request.dana.decide("approve", { grant: text, digest })).status).toBe(409);
    await stillPending(request);
  });

  it("A17 lets one of fifty parallel approvals win, with one event", async () => {
    const { dana, sessionId } = await waiting();
    await dana.view();
    await dana.review();
    const pages = await Promise.all(Array.from({ length: 50 }, () => dana.decide("approve")));
    expect(pages.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(pages.filter(({ status }) => status === 409)).toHaveLength(49);
    expect(await eventsOf(sessionId, "decision.approved")).toHaveLength(1);
  });

  it("A18 lets approve or deny win, and all readers agree", async () => {
    const request = await waiting();
    const [one, two] = [request.dana, new Approver(world.issuer, request.dana.token)];
    await one.view();
    await one.review();
    await two.view();
    const [approved, denied] = await Promise.all([one.decide("approve"), two.decide("deny")]);
    expect([approved.status, denied.status].toSorted((a, b) => a - b)).toEqual([200, 409]);
    const polled = await request.agent.poll(request.authReqId);
    expect(polled.status === 200).toBe(approved.status === 200);
  });

  it("A09 shows who decided when it is opened again, and changes nothing", async () => {
    const { dana } = await waiting();
    await dana.approve();
    const again = await new Approver(world.issuer, dana.token).view();
    expect(again).toMatchObject({ status: 409 });
    expect(again.html).toContain("dana@acme.example");
  });

  it("R11 is dead when the request was taken away, and the agent is told", async () => {
    const request = await waiting();
    expect((await world.broker.admin("POST", `/admin/sessions/${request.sessionId}/revoke`, {})).body).toEqual({
      result: "revoked",
    });
    expect((await request.dana.view()).status).toBe(409);
    expect((await request.agent.poll(request.authReqId)).body).toMatchObject({ error: "access_denied" });
  });

  it("A14 is asked for once and stays as it was: nothing changes a request that waits", async () => {
    const agent = await world.freshAgent();
    const { body: first } = await agent.ask(ask(), "one-key");
    const path = `/sessions/${first.session_id}`;
    for (const method of ["PATCH", "PUT", "DELETE", "POST"])
      expect([404, 405], method).toContain((await fetch(world.issuer + path, { method, body: "{}" })).status);
    expect((await agent.ask(ask({ task: { title: "Another task" } }), "one-key")).status).toBe(422);
    const { html } = await (await Approver.bySlack(world, "dana", first.session_id)).view();
    expect(html).toContain("A task");
    expect(html).not.toContain("Another task");
  });

  it("A26 takes no method from anywhere but the request line", async () => {
    const request = await waiting();
    await request.dana.view();
    const query = `_method=POST&decision=deny&token=${request.dana.token}`;
    for (const path of [
      `/approve/decide?${query}`,
      `/approve/view?${query}`,
      `/sessions/${request.sessionId}/end?${query}`,
    ])
      for (const name of ["x-http-method-override", "x-http-method", "x-method-override"]) {
        const headers = { [name]: "POST", cookie: request.dana.cookies.header, origin: world.issuer };
        expect([404, 405], path).toContain((await fetch(world.issuer + path, { headers })).status);
      }
    // Nor does a POST become another one.
    const overridden = await request.dana.post("/approve/view", { token: request.dana.token, _method: "DELETE" });
    expect(overridden.status).toBe(200);
    await stillPending(request);
  });

  it("A34 is open in each of its person's browsers, and decided in one of them, once", async () => {
    const request = await waiting();
    const [one, two] = [request.dana, new Approver(world.issuer, request.dana.token)];
    for (const browser of [one, two]) expect((await browser.view()).status).toBe(200);
    await one.review();
    await two.review();
    // What one of them was shown is no leave to decide in the other.
    expect((await two.decide("approve", { csrf: readFields((await one.view()).html).get("csrf") ?? "" })).status).toBe(
      403,
    );
    expect((await two.approve()).status).toBe(200);
    expect((await one.decide("deny")).status).toBe(409);
    expect((await request.agent.poll(request.authReqId)).status).toBe(200);
  });

  it("A35 decides one request at a time, whatever a form holds", async () => {
    const [one, two] = [await waiting(), await waiting()];
    await one.dana.view();
    const fields = new URLSearchParams({ decision: "deny", token: one.dana.token });
    fields.append("token", two.dana.token);
    for (const path of ["/approve/view", "/approve/review", "/approve/decide", "/approve/end"]) {
      const response = await fetch(world.issuer + path, {
        method: "POST",
        headers: { cookie: one.dana.cookies.header, origin: world.issuer },
        body: fields,
      });
      expect(response.status, path).toBe(400);
    }
    await stillPending(one);
    await stillPending(two);
  });

  it("A15 grants what is left after narrowing, and no more", async () => {
    const { dana, agent, authReqId } = await waiting();
    await dana.approve((unit) => unit !== "github:issues:write@acme/api", 120);
    const redeemed = await agent.poll(authReqId);
    expect(redeemed.body["expires_in"]).toBeLessThanOrEqual(120);
    expect(JSON.stringify(redeemed.body["authorization_details"])).not.toContain("issues:write");
    expect(tokenOf(redeemed)).toBeTruthy();
  });

  it("says so when everything was unticked", async () => {
    const { dana } = await waiting();
    await dana.view();
    expect((await dana.review(() => false)).status).toBe(400);
  });
});

describe("what the agent writes (group I)", () => {
  const HOSTILE =
    '</title><script>alert(1)</script>"><form action="https://evil.test"><img src=x onerror=alert(1)> <https://evil.test|Approve> <!channel> <@U1> **bold** [x](https://evil.test)';

  it("I01 I02 stands as text in the page, in Slack and in mail, inside its quotation", async () => {
    const request = await waiting({
      task: { title: HOSTILE, description: `line one\n${HOSTILE}` },
      authorization_details: [READ_API, WRITE_API],
    });
    const { html } = await request.dana.view();
    expect(html).not.toContain("<script>alert");
    expect(html).not.toContain("<img");
    expect(html).not.toContain('action="https://evil.test"');
    const quoted = html.slice(
      html.indexOf("In the agent&#39;s own words") === -1
        ? html.indexOf("In the agent's own words")
        : html.indexOf("In the agent&#39;s own words"),
    );
    expect(html.replace(quoted, "")).not.toContain("evil.test");
    const slackId = await world.emulators.slackId("dana");
    const message = await until("Slack", async () =>
      (await world.emulators.directMessages(slackId)).find((text) => text.includes("onerror")),
    );
    const { text, blocks } = JSON.parse(message) as { text: string; blocks: object[] };
    expect(text).not.toContain("evil");
    expect(JSON.stringify(blocks)).not.toContain("mrkdwn");
    const mail = await until("the mail", async () =>
      (await world.emulators.mails()).find((candidate) => candidate.text.includes("onerror")),
    );
    expect(mail.html).not.toContain("<script>");
    expect(mail.html).not.toContain("<img");
    expect(mail.subject).not.toContain("evil");
    expect(mail.text).not.toContain("https://evil.test");
  });

  it("I06 I08 I12 imitates nothing of ours: badges, buttons, styles and pictures are words in the box", async () => {
    const title = "✅ Verified by Stint · Approved by Dana <style>*{display:none}</style>";
    const description =
      '[Approve](https://evil.test) ![x](https://evil.test/p.png) <div style="position:fixed;inset:0" class="approve">🟢 Safe</div>';
    const request = await waiting({ task: { title, description } });
    const { html } = await request.dana.view();
    const outside = html.replaceAll(/<blockquote[^>]*>.*?<\/blockquote>/gs, "");
    for (const word of ["Verified by Stint", "Approved by Dana", "🟢", "evil.test", "display:none", "inset:0"])
      expect(outside, word).not.toContain(word);
    expect(html).not.toMatch(/<(?:style|img|a |[^>]* style=)/);
    const mail = await until("the mail", async () =>
      (await world.emulators.mails()).find((candidate) => candidate.text.includes("Verified by Stint")),
    );
    expect(mail.html).not.toContain("<style");
    expect(mail.html).not.toContain("<img");
    expect(mail.html.match(/<a /g)).toHaveLength(1);
    expect(mail.html.replaceAll(/<blockquote.*<\/blockquote>/gs, "")).not.toContain("Verified by Stint");
  });

  it("E01 I16 keeps line ends, bidirectional marks and stacked marks from doing anything", async () => {
    const title = `x\r\nBcc: v@evil.test \u202Egnp.exe ${"e" + "\u0301".repeat(5000)}`;
    const request = await waiting({ task: { title, description: "\n".repeat(300) + "end" } });
    const { html } = await request.dana.view();
    expect(html).toContain("[U+202E]");
    expect(html.length).toBeLessThan(60_000);
    const mail = await until("the mail", async () =>
      (await world.emulators.mails()).find((candidate) => candidate.text.includes("v@evil[.]test")),
    );
    expect(mail.to).toHaveLength(1);
    expect(mail.subject).not.toContain("Bcc");
  });
});

async function eventsOf(sessionId: string, type: string): Promise<unknown[]> {
  return until("the ledger", async () => {
    const { body } = await world.broker.admin("GET", "/admin/audit?after=0");
    const rows = (body["rows"] as { source: string; type: string }[]).filter((row) => row.source === sessionId);
    const found = rows.filter((row) => row.type === type);
    return found.length > 0 ? found : undefined;
  });
}
