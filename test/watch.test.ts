import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Approver } from "./support/approver.ts";
import { approvedSession, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

describe("a session at work, as its approvers see it", () => {
  it("shows calls and refusals to each approver who was asked, and lets any of them end it", async () => {
    const session = await approvedSession(world);
    const token = await session.proxyToken("echo");
    await session.agent.call(token, "GET", "/proxy/echo/things");
    await session.agent.call(token, "GET", "/proxy/echo/secrets");
    const dana = await Approver.bySlack(world, "dana", session.sessionId);
    const { status, html } = await dana.post("/approve/watch", { token: dana.token });
    expect(status).toBe(200);
    for (const text of ["is at work", "GET Read things · echo", "Refused: "]) expect(html).toContain(text);
    expect(html).not.toContain(token);
    const csrf = /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? "";
    const ended = await dana.post("/approve/end", { token: dana.token, csrf });
    expect([ended.status, ended.html.includes("can do nothing more with it")]).toEqual([200, true]);
    expect((await session.agent.call(token, "GET", "/proxy/echo/things")).status).toBe(401);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session.sessionId}`);
    expect(body).toMatchObject({ how: "revoked", ended_by: { kind: "person", id: "dana@acme.example" } });
    expect((await dana.post("/approve/end", { token: dana.token, csrf })).status).toBe(409);
    expect((await dana.post("/approve/watch", { token: dana.token })).status).toBe(409);
  });

  it("A03 A09 is not ended from another site, without the page's token, or by a link to another session", async () => {
    const [one, two] = [await approvedSession(world), await approvedSession(world)];
    const dana = await Approver.bySlack(world, "dana", one.sessionId);
    const { html } = await dana.post("/approve/watch", { token: dana.token });
    const csrf = /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? "";
    const other = await Approver.bySlack(world, "dana", two.sessionId);
    expect(
      (await dana.post("/approve/end", { token: dana.token, csrf }, { origin: "https://evil.example" })).status,
    ).toBe(403);
    expect((await dana.post("/approve/end", { token: dana.token, csrf }, { cookie: "" })).status).toBe(403);
    expect((await dana.post("/approve/end", { token: dana.token })).status).toBe(403);
    expect((await dana.post("/approve/end", { token: other.token, csrf })).status).toBe(403);
    expect((await dana.post("/approve/end", { token: "x", csrf })).status).toBe(404);
    expect((await fetch(`${world.issuer}/approve/end`)).status).toBe(405);
    expect((await one.agent.introspect(one.sessionToken)).body["active"]).toBe(true);
  });
});
