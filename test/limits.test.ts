import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { chunked, proxied, type ProxiedAnswer, type ProxiedCall } from "./support/proxied.ts";
import { approvedSession, ask, ECHO, startTestWorld, tokenOf, type Approved, type TestWorld } from "./support/world.ts";

const KILOBYTE = 1024;
/** What the policy of these tests allows of each upstream. */
const POLICY = { calls: 60, writes: 40, bytes: 2_000_000, units: 200 };

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, limits: POLICY })),
    }),
  });
});
afterAll(() => world?.close());
beforeEach(() => {
  world.echo.seen.length = 0;
  world.echo.answer = () => ({ status: 200, headers: { "content-type": "application/json" }, body: "{}" });
});

interface Limited extends Approved {
  readonly token: string;
  call(call?: ProxiedCall): Promise<ProxiedAnswer>;
  /** What the session says that it used of the upstream. */
  used(): Promise<Record<string, unknown>>;
}

async function limited(limits: object): Promise<Limited> {
  const session = await approvedSession(world, { authorization_details: [{ ...ECHO, limits }] });
  const token = await session.proxyToken("echo");
  return {
    ...session,
    token,
    call: (call) => proxied(session.agent, token, "/proxy/echo/things", call),
    async used() {
      const { body } = await session.agent.call(session.sessionToken, "GET", `/sessions/${session.sessionId}`);
      const { upstreams } = body["usage"] as { upstreams: Record<string, unknown>[] };
      return upstreams.find(({ upstream }) => upstream === "echo") ?? {};
    },
  };
}

/** Once nothing is on its way any more, so that what was reserved and not needed has been given back. */
const settled = (session: Limited, bytes: number) =>
  until(`${bytes} bytes`, async () => ((await session.used())["bytes"] === bytes ? true : undefined));

const write = (body: string): ProxiedCall => ({
  method: "POST",
  headers: { "content-type": "text/plain" },
  body: () => body,
});

describe("limits of a session", () => {
  it("lets exactly 10 of 50 calls through that come at once, and says what is left", async () => {
    const session = await limited({ calls: 10 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => session.call()));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([429]));
    expect(world.echo.seen).toHaveLength(10);
    expect(await session.used()).toMatchObject({ calls: 10, writes: 0, units: 10, left: { calls: 0 } });
    const [first] = refused;
    expect(JSON.parse(first!.text)).toMatchObject({
      error: "limit_reached",
      limit: "calls",
      limits: { ...POLICY, calls: 10 },
      left: { calls: 0, writes: 40 },
    });
    expect(first?.headers.get("retry-after")).toBeNull();
    const rows = await until("the audit rows", async () => {
      const own = (await auditRows(world)).filter(({ source }) => source === session.sessionId);
      return own.filter(({ type }) => type === "refused").length >= 40 ? own : undefined;
    });
    expect(rows.filter(({ type }) => type === "call.authorized")).toHaveLength(10);
    expect(rows.filter(({ type, data }) => type === "refused" && data.includes("limit_reached"))).toHaveLength(40);
  });

  it("counts what writes apart from what reads", async () => {
    const session = await limited({ writes: 2 });
    const statuses = [];
    for (let at = 0; at < 3; at += 1) statuses.push((await session.call(write("x"))).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await session.call()).status).toBe(200);
    expect(await session.used()).toMatchObject({ calls: 3, writes: 2, left: { writes: 0, calls: 57 } });
  });

  it("counts in the units that the catalogue declares", async () => {
    const session = await limited({ units: 7 });
    expect([
      (await session.call(write("x"))).status,
      (await session.call(write("x"))).status,
      // A write costs 3 and one unit is left, which a read costs.
      (await session.call(write("x"))).status,
      (await session.call()).status,
      (await session.call()).status,
    ]).toEqual([200, 200, 429, 200, 429]);
  });

  it("counts once what the upstream refuses, and not at all what Stint does", async () => {
    const session = await limited({ calls: 2 });
    world.echo.answer = () => ({ status: 500, body: "" });
    expect((await session.call()).status).toBe(500);
    for (const path of ["/proxy/echo/secrets", "/proxy/echo/nothing", "/proxy/echo/things/..%2f"])
      expect([400, 403]).toContain((await proxied(session.agent, session.token, path)).status);
    const replayed = await session.agent.proof("GET", `${world.issuer}/proxy/echo/things`, "stale", session.token);
    await fetch(`${world.issuer}/proxy/echo/things`, {
      headers: { authorization: `DPoP ${session.token}`, dpop: replayed },
    });
    expect(await session.used()).toMatchObject({ calls: 1, left: { calls: 1 } });
  });

  it("is one count, whichever token is shown and whoever shows it", async () => {
    const session = await limited({ calls: 3 });
    const other = await session.proxyToken("echo");
    expect((await session.call()).status).toBe(200);
    expect((await proxied(session.agent, other, "/proxy/echo/things")).status).toBe(200);
    // An exchange may make a limit smaller, counted over the session all the same.
    const smaller = await session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/echo`, {
      authorization_details: JSON.stringify([{ ...ECHO, limits: { calls: 2 } }]),
    });
    expect((await proxied(session.agent, tokenOf(smaller), "/proxy/echo/things")).status).toBe(429);
    expect((await session.call()).status).toBe(200);
    expect((await session.call()).status).toBe(429);
  });

  it("X17 is never higher in a token than in the grant", async () => {
    const session = await limited({ calls: 3 });
    for (const limits of [{ calls: 4 }, { calls: 3, bytes: 2_000_001 }]) {
      const wider = await session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/echo`, {
        authorization_details: JSON.stringify([{ ...ECHO, limits }]),
      });
      expect(wider).toMatchObject({ status: 400 });
    }
  });
});

describe("bytes of a session", () => {
  it("are those of bodies, both ways", async () => {
    const session = await limited({ bytes: 1000 });
    world.echo.answer = () => ({ status: 200, body: "x".repeat(300) });
    expect((await session.call(write("y".repeat(200)))).status).toBe(200);
    await settled(session, 500);
    expect((await session.call({ ...write(""), body: () => chunked("y".repeat(50), 2) })).status).toBe(200);
    await settled(session, 900);
    expect(await session.used()).toMatchObject({ left: { bytes: 100 } });
  });

  it("that are known to be too many never leave", async () => {
    const session = await limited({ bytes: 1000 });
    const refused = await session.call(write("y".repeat(1000)));
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({ limit: "bytes", left: { bytes: 1000 } });
    expect(world.echo.seen).toEqual([]);
    expect(await session.used()).toEqual({
      upstream: "echo",
      calls: 0,
      writes: 0,
      bytes: 0,
      units: 0,
      left: { ...POLICY, bytes: 1000 },
    });
  });

  it("break a request off that turns out to be too long, so that the upstream does not take it for whole", async () => {
    const session = await limited({ bytes: 30 * KILOBYTE });
    const refused = await session.call({ ...write(""), body: () => chunked("y".repeat(KILOBYTE), 31) });
    expect(refused.status).toBe(429);
    expect(world.echo.seen).toEqual([]);
    const { bytes } = await session.used();
    expect(bytes).toBeLessThanOrEqual(30 * KILOBYTE);
  });

  it("refuse an answer that says it is too long", async () => {
    const session = await limited({ bytes: 1000 });
    world.echo.answer = () => ({ status: 200, headers: { "content-length": "5000" }, body: "x".repeat(5000) });
    const refused = await session.call();
    expect(refused.status).toBe(429);
    expect(refused.text).not.toContain("xxx");
    expect(refused.text).toContain("may have carried the call out");
    await settled(session, 0);
  });

  it("refuse an answer whose beginning is too long already, without a word of its length", async () => {
    const session = await limited({ bytes: 1000 });
    world.echo.answer = () => ({ status: 200, body: "x".repeat(5000) });
    const refused = await session.call();
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({ error: "limit_reached", limit: "bytes" });
    await settled(session, 0);
  });

  it("break an answer off that turns out to be too long, so that it does not look whole", async () => {
    const session = await limited({ bytes: 300 * KILOBYTE });
    world.echo.answer = () => ({ status: 200, body: "x".repeat(1000 * KILOBYTE) });
    const broken = await session.call();
    expect(broken).toMatchObject({ status: 200, cut: true });
    expect(broken.text.length).toBeLessThanOrEqual(300 * KILOBYTE);
    const { bytes } = await until("the account", async () => {
      const used = await session.used();
      return Number(used["bytes"]) >= broken.text.length ? used : undefined;
    });
    expect(bytes).toBeLessThanOrEqual(300 * KILOBYTE);
  });

  it("are never more than the limit, of many answers at once", async () => {
    const session = await limited({ bytes: 200 * KILOBYTE });
    world.echo.answer = () => ({ status: 200, body: "x".repeat(20 * KILOBYTE) });
    // One that is broken off before its head was on its way has no status.
    const broken = { status: 0, text: "", cut: true };
    const answers = await Promise.all(Array.from({ length: 30 }, () => session.call().catch(() => broken)));
    const passed = answers.reduce((sum, { status, text }) => sum + (status === 200 ? text.length : 0), 0);
    expect(passed).toBeLessThanOrEqual(200 * KILOBYTE);
    // Whoever asks first finds that there is enough.
    expect(passed).toBeGreaterThanOrEqual(20 * KILOBYTE);
    for (const { status, cut, text } of answers)
      expect(status === 429 || cut || text.length === 20 * KILOBYTE).toBe(true);
  });

  it("FA stay counted when the broker dies in the middle of a body", async () => {
    const session = await limited({ bytes: 2_000_000 });
    world.echo.answer = () => ({ status: 200, body: "x".repeat(20 * KILOBYTE) });
    await session.call();
    await settled(session, 20 * KILOBYTE);
    const endless = () => chunked("y".repeat(KILOBYTE), 1_000_000);
    const dying = session.call({ ...write(""), body: endless }).catch(() => undefined);
    const reserved = await until("bytes in flight", async () => {
      const { bytes } = await session.used();
      return Number(bytes) > 20 * KILOBYTE ? Number(bytes) : undefined;
    });
    await world.broker.kill9();
    await dying;
    await world.broker.restart();
    expect((await session.used())["bytes"]).toBeGreaterThanOrEqual(reserved);
  });
});

describe("limits that are asked for", () => {
  it.each([
    {},
    [],
    null,
    "10",
    { calls: 0 },
    { calls: -1 },
    { calls: 1.5 },
    { calls: 2 ** 53 },
    { calls: 1e13 },
    { calls: "10" },
    { calls: null },
    { calls: [10] },
    { requests: 10 },
    { calls: 10, cost: 1 },
    { bytes: true },
  ])("Q04 refuses %j", async (limits) => {
    const agent = await sharedAgent();
    const refused = await agent.ask(ask({ authorization_details: [{ ...ECHO, limits }] }));
    expect(refused).toMatchObject({ status: 400, body: { error: "invalid_authorization_details" } });
  });

  it("refuses different ones for one upstream, which could be read either way", async () => {
    const [read, write] = ["things:read", "things:write"].map((action) => ({ ...ECHO, actions: [action] }));
    for (const second of [{ calls: 5 }, undefined]) {
      const authorization_details = [
        { ...read, limits: { calls: 4 } },
        { ...write, ...(second === undefined ? {} : { limits: second }) },
      ];
      const refused = await (await sharedAgent()).ask(ask({ authorization_details }));
      expect(refused).toMatchObject({ status: 400, body: { error: "invalid_authorization_details" } });
    }
  });

  it("refuses more than the policy allows, and says what it does", async () => {
    const refused = await (
      await sharedAgent()
    ).ask(ask({ authorization_details: [{ ...ECHO, limits: { calls: 61 } }] }));
    expect(refused).toMatchObject({ status: 400, body: { error: "invalid_authorization_details" } });
    expect(refused.body["error_description"]).toContain("60 calls, 40 writes, 2,000,000 bytes, 200 cost units");
  });

  it("are the policy's where the request names none, and the approver sees them", async () => {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask({ authorization_details: [ECHO] }))).body;
    const approver = await Approver.bySlack(world, "dana", session_id);
    const stated = "echo: 60 calls, 40 writes, 2,000,000 bytes, 200 cost units";
    const page = await approver.view();
    expect(page.html).toContain(stated);
    expect(page.html).toContain("not limited by location");
    expect((await approver.review()).html).toContain(stated);
    await approver.decide("approve");
    const { body } = await agent.poll(auth_req_id);
    expect(body["authorization_details"]).toEqual([{ ...ECHO, limits: POLICY }]);
  });
});

describe("limits that an approver narrows", () => {
  async function narrowed(changes: Record<string, string>): Promise<unknown> {
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (
      await agent.ask(ask({ authorization_details: [{ ...ECHO, limits: { calls: 20 } }] }))
    ).body;
    const approver = await Approver.bySlack(world, "dana", session_id);
    await approver.view();
    await approver.review(undefined, undefined, changes);
    await approver.decide("approve");
    const { body } = await agent.poll(auth_req_id);
    return (body["authorization_details"] as { limits: object }[])[0]?.limits;
  }

  it("are what was written, never more than was asked for", async () => {
    expect(await narrowed({ "limit.echo.calls": "5", "limit.echo.writes": "0" })).toEqual({
      ...POLICY,
      calls: 5,
      writes: 1,
    });
    expect(
      await narrowed({
        "limit.echo.calls": "9999",
        "limit.echo.bytes": "",
        "limit.other.units": "1",
        "limit.echo.x": "1",
      }),
    ).toEqual({ ...POLICY, calls: 20 });
  });

  it("A15 cannot be raised between what was shown and what is signed", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask({ authorization_details: [{ ...ECHO, limits: { calls: 20 } }] }))).body;
    const approver = await Approver.bySlack(world, "dana", session_id);
    await approver.view();
    const { html } = await approver.review();
    const shown = /name="grant" value="([^"]*)"/.exec(html)?.[1]?.replaceAll("&quot;", '"') ?? "";
    for (const grant of [shown.replace('"calls":20', '"calls":21'), shown.replace('"calls":20,', "")]) {
      expect(grant).not.toBe(shown);
      expect((await approver.decide("approve", { grant })).status).toBe(409);
    }
    expect((await agent.call("x", "GET", `/sessions/${session_id}`)).status).toBe(401);
  });

  it("fit on the page of the largest request", async () => {
    const locations = Array.from({ length: 50 }, (_, at) => `acme/repo-${at}`);
    const details = ["issues:read", "issues:write"].flatMap((action) =>
      [0, 1].map((half) => ({
        type: "upstream_access",
        upstream: "github",
        actions: [action],
        locations: locations.map((location) => `${location}-${half}`),
      })),
    );
    const session = await approvedSession(world, { authorization_details: details });
    expect(session.sessionToken).toContain(".");
  });
});

describe("what a session used", () => {
  it("is seen by whoever watches it at work", async () => {
    const session = await limited({ calls: 10, bytes: 100_000 });
    await session.call(write("12345"));
    await settled(session, 7);
    const watching = await Approver.bySlack(world, "dana", session.sessionId);
    const { html } = await watching.post("/approve/watch", { token: watching.token });
    expect(html).toContain("echo: 1 of 10 calls, 1 of 40 writes, 7 of 100,000 bytes, 3 of 200 cost units");
  });

  it("stands in its receipt and in the audit log, for each upstream, agent, owner and task", async () => {
    const session = await limited({ calls: 10, bytes: 100_000 });
    await session.call();
    await session.call(write("12345"));
    await settled(session, 9);
    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session.sessionId}/receipt`);
      return status === 200 ? claimsOf(String(body["receipt"])) : undefined;
    });
    const used = { upstream: "echo", calls: 2, writes: 1, bytes: 9, units: 4 };
    expect(receipt["usage"]).toMatchObject({ calls: 2, upstreams: [used] });
    const row = await until("the audit row", async () =>
      (await auditRows(world)).find(({ source, type }) => source === session.sessionId && type === "session.usage"),
    );
    expect(JSON.parse(row.data)).toEqual({
      ...used,
      client_id: session.agent.clientId,
      owner: "sam@acme.example",
      task_digest: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
  });

  it("P18 is bounded by a lower limit of today's policy from the next call on", async () => {
    const session = await limited({ calls: 10 });
    expect((await session.call()).status).toBe(200);
    const lower = {
      ...world.document,
      policies: (world.document["policies"] as object[]).map((policy) => ({ ...policy, limits: { calls: 1 } })),
    };
    expect((await world.broker.admin("POST", "/admin/tenant", lower)).status).toBe(200);
    try {
      await until("the new policy", async () => ((await session.call()).status === 429 ? true : undefined));
      expect(Number((await session.used())["calls"])).toBeLessThan(10);
    } finally {
      await world.broker.admin("POST", "/admin/tenant", world.document);
    }
  });
});

/** For requests that are refused, which do not count against an agent's cap of open ones. */
let shared: Promise<Awaited<ReturnType<TestWorld["freshAgent"]>>> | undefined;
function sharedAgent(): Promise<Awaited<ReturnType<TestWorld["freshAgent"]>>> {
  shared ??= world.freshAgent();
  return shared;
}
