import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { until } from "../demo/until.ts";
import { digestOf } from "../src/crypto/hash.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { signRaw } from "./support/forge.ts";
import { newClientKey } from "./support/oauth-world.ts";
import { approvedSession, READ_API, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

const READ_THINGS = { type: "upstream_access", upstream: "echo", actions: ["things:read"] };
const WRITE_THINGS = { type: "upstream_access", upstream: "echo", actions: ["things:write"] };

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());
beforeEach(() => {
  world.echo.seen.length = 0;
});

const reading = (limits?: object) =>
  approvedSession(world, { authorization_details: [limits === undefined ? READ_THINGS : { ...READ_THINGS, limits }] });
const look = async ({ agent, sessionId, sessionToken }: Approved) =>
  (await agent.call(sessionToken, "GET", `/sessions/${sessionId}`)).body as Record<string, never>;
const askMore = ({ agent, sessionId, sessionToken }: Approved, ...authorization_details: object[]) =>
  agent.call(sessionToken, "POST", `/sessions/${sessionId}/grants`, { authorization_details });

async function asked(session: Approved, ...details: object[]): Promise<Approver> {
  const { status, body } = await askMore(session, ...details);
  expect([status, body]).toEqual([202, expect.anything()]);
  return Approver.bySlack(world, "dana", String(body["request_id"]));
}
const isGranted = (session: Approved) =>
  until("more to be granted", async () =>
    (await look(session))["step_up"]?.["status"] === "approved" ? true : undefined,
  );
async function call(session: Approved, method: "GET" | "POST" = "GET") {
  const token = await session.proxyToken("echo");
  const { status, body } = await session.agent.call(
    token,
    method,
    "/proxy/echo/things",
    method === "GET" ? undefined : {},
  );
  return { status, body };
}
const usedOf = async (session: Approved, upstream: string) => {
  const { usage } = (await look(session)) as unknown as { usage: { upstreams: Record<string, unknown>[] } };
  return usage.upstreams.find((one) => one["upstream"] === upstream);
};

interface Granted {
  readonly grant: { readonly extends: object };
  readonly decision: object;
}

/** A grant put in the place of another, with the digests that it needs. */
function resigned({ decision }: Granted, grant: object) {
  const digest = digestOf(grant as never);
  return { grant, grant_digest: digest, decision: { ...decision, digest } };
}

describe("limits, when a session is granted more", () => {
  it("go on: the approver is told that they are the whole session's, and what was used counts", async () => {
    const session = await reading({ calls: 3 });
    for (const _ of [1, 2]) expect((await call(session)).status).toBe(200);
    const approver = await asked(session, WRITE_THINGS);
    const { html } = await approver.view();
    expect(html).toContain("In the whole session at most");
    expect(html).toContain("3 calls");
    expect(html).toContain("echo: 2 of 3 calls");
    const reviewed = await approver.review();
    expect(reviewed.html).toContain("echo: 2 of 3 calls");
    expect((await approver.decide("approve")).status).toBe(200);
    await isGranted(session);
    expect(await usedOf(session, "echo")).toMatchObject({ calls: 2, left: { calls: 1 } });
    expect((await call(session, "POST")).status).toBe(200);
    expect(await call(session, "POST")).toMatchObject({ status: 429, body: { limit: "calls", limits: { calls: 3 } } });
    expect((await call(session)).status).toBe(429);
    expect(world.echo.seen).toHaveLength(3);
  });

  it("are not raised by asking, beside whatever else is asked, and not asked anew alone", async () => {
    const session = await reading({ calls: 3 });
    for (const limits of [{ calls: 4 }, { calls: 4, writes: 1 }])
      expect(await askMore(session, { ...WRITE_THINGS, limits })).toMatchObject({
        status: 400,
        body: {
          error: "invalid_authorization_details",
          error_description: expect.stringContaining("never raised") as string,
        },
      });
    for (const limits of [{ calls: 4 }, { calls: 2 }, { bytes: 9 }])
      expect(await askMore(session, { ...READ_THINGS, limits })).toMatchObject({
        status: 400,
        body: { error_description: expect.stringContaining("holds all of this") as string },
      });
    expect((await look(session))["step_up"]).toBeUndefined();
  });

  it("are not raised by who approves, on the page or beside it", async () => {
    const session = await reading({ calls: 3 });
    const approver = await asked(session, WRITE_THINGS);
    await approver.view();
    const reviewed = await approver.review(() => true, undefined, { "limit.echo.calls": "9" });
    const fields = /name="grant" value="([^"]*)"/.exec(reviewed.html)?.[1]?.replaceAll("&quot;", '"') ?? "";
    expect(fields).toContain('"limits":{"calls":3}');
    for (const wider of [fields.replaceAll('"calls":3', '"calls":9'), fields.replaceAll(/"limits":\{[^}]*\},?/g, "")]) {
      expect(wider).not.toBe(fields);
      expect((await approver.decide("approve", { grant: wider })).status).toBe(409);
    }
    await approver.decide("approve");
    await isGranted(session);
    expect(await usedOf(session, "echo")).toMatchObject({ left: { calls: 3 } });
  });

  it("become lower where the approver says so, below what was used too, and then nothing more passes", async () => {
    const session = await reading({ calls: 3 });
    for (const _ of [1, 2]) expect((await call(session)).status).toBe(200);
    const old = await session.proxyToken("echo");
    const approver = await asked(session, WRITE_THINGS);
    await approver.view();
    const reviewed = await approver.review(() => true, undefined, { "limit.echo.calls": "1" });
    expect(reviewed.html).toContain("echo: 2 of 1 calls (used up)");
    expect((await approver.decide("approve")).status).toBe(200);
    await isGranted(session);
    expect((await call(session)).status).toBe(429);
    // A token from before is worth no more than the session is now.
    expect((await session.agent.call(old, "GET", "/proxy/echo/things")).status).toBe(429);
    expect(await usedOf(session, "echo")).toMatchObject({ calls: 2, left: { calls: 0 } });
  });

  it("hold for fifty calls that come while they become lower", async () => {
    const session = await reading({ calls: 20 });
    const token = await session.proxyToken("echo");
    const approver = await asked(session, WRITE_THINGS);
    await approver.view();
    await approver.review(() => true, undefined, { "limit.echo.calls": "5" });
    const busy = Promise.all(
      Array.from({ length: 50 }, () =>
        session.agent.call(token, "GET", "/proxy/echo/things").then(({ status }) => status),
      ),
    );
    await approver.decide("approve");
    const passed = (await busy).filter((status) => status === 200).length;
    await isGranted(session);
    expect(passed).toBeLessThanOrEqual(20);
    expect(await usedOf(session, "echo")).toMatchObject({ calls: passed });
    expect(world.echo.seen).toHaveLength(passed);
    if (passed >= 5) expect((await call(session)).status).toBe(429);
  });

  it("K18 show in the receipt: one whose later grant allows more than the earlier does not verify", async () => {
    const session = await reading({ calls: 3 });
    await (await asked(session, WRITE_THINGS)).approve();
    await isGranted(session);
    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session.sessionId}/receipt`);
      return status === 200 ? String(body["receipt"]) : undefined;
    });
    const claims = claimsOf(receipt) as unknown as Granted & { earlier: [Granted] };
    const forger = await newClientKey("forger");
    const header = { alg: "ES256", typ: "stint-receipt+jwt", kid: "forger" };
    /** The same, if the first grant had said this. */
    const verifies = async (limits: object) => {
      const [before] = claims.earlier;
      const first = resigned(before, { ...before.grant, authorization_details: [{ ...READ_THINGS, limits }] });
      const next = { ...claims.grant, extends: { ...claims.grant.extends, grant_digest: first.grant_digest } };
      const forged = { ...claims, ...resigned(claims, next), earlier: [first] };
      const jws = await signRaw(header, forged, forger.privateJwk);
      return (await verifyReceipt(jws, { keys: [forger.publicJwk] })).ok;
    };
    expect(await verifies({ calls: 3 })).toBe(true);
    expect(await verifies({ calls: 4 })).toBe(true);
    expect(await verifies({ calls: 2 })).toBe(false);
    expect(await verifies({ calls: 3, writes: 1 })).toBe(false);
  });

  it("come where there were none, and hold for what was granted before as well", async () => {
    const session = await reading();
    expect((await call(session)).status).toBe(200);
    const approver = await asked(session, { ...WRITE_THINGS, limits: { calls: 2, writes: 1 } });
    await approver.approve();
    await isGranted(session);
    expect((await call(session, "POST")).status).toBe(200);
    expect((await call(session)).status).toBe(429);
  });

  it("are another upstream's own where that comes on top, and the first one's stay", async () => {
    const session = await reading({ calls: 3 });
    expect((await call(session)).status).toBe(200);
    const approver = await asked(session, { ...READ_API, limits: { calls: 5 } });
    const { html } = await approver.view();
    expect(html).toContain("echo: 1 of 3 calls\ngithub: 0 of 5 calls");
    await approver.approve();
    await isGranted(session);
    expect(await usedOf(session, "echo")).toMatchObject({ left: { calls: 2 } });
    expect(await usedOf(session, "github")).toMatchObject({ left: { calls: 5 } });
  });

  it("P18 are today's policy's: where that demands less by now, less has to be asked", async () => {
    const session = await reading({ calls: 3 });
    const policies = (world.document["policies"] as object[]).map((policy) => ({ ...policy, limits: { calls: 2 } }));
    await world.broker.admin("POST", "/admin/tenant", { ...world.document, policies });
    expect(await askMore(session, WRITE_THINGS)).toMatchObject({ status: 400 });
    const approver = await asked(session, { ...WRITE_THINGS, limits: { calls: 2 } });
    await approver.approve();
    await isGranted(session);
    expect(await usedOf(session, "echo")).toMatchObject({ left: { calls: 2 } });
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });
});
