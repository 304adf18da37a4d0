import { afterEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { ASK as MCP_ASK, caller, callTool, rpc, TASKS, URLS } from "./support/mcp-caller.ts";
import { approvedSession, ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

/** How often the broker is killed at a random moment of a busy session. */
const RANDOM_KILLS = 4;

let world: TestWorld;
afterEach(() => world?.close());

/** Ends the broker as a power cut would, and starts it again over the same data. */
async function crash(): Promise<void> {
  await world.broker.kill9();
  await world.broker.restart();
}

describe("kill -9 (faults FA, FB, FC)", () => {
  it("loses nothing that was acknowledged, between any two steps of the story", async () => {
    world = await startTestWorld();
    const agent = await world.freshAgent();
    const asked = await agent.ask(ask(), "one-key");
    await crash();
    const repeated = await agent.ask(ask(), "one-key");
    expect(repeated.body).toMatchObject({ session_id: asked.body.session_id, auth_req_id: asked.body.auth_req_id });
    const { session_id, auth_req_id } = asked.body;

    const dana = await Approver.bySlack(world, "dana", session_id);
    await dana.view();
    await dana.review();
    await crash();
    expect((await dana.decide("approve")).status).toBe(200);
    await crash();
    expect((await new Approver(world.issuer, dana.token).view()).status).toBe(409);

    const sessionToken = tokenOf(await agent.poll(auth_req_id));
    await crash();
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "invalid_grant" });

    const proxyToken = tokenOf(await agent.exchange(sessionToken, `${world.issuer}/proxy/github`));
    await crash();
    expect((await agent.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues")).status).toBe(200);
    await crash();
    expect((await agent.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues")).status).toBe(200);

    const ended = await agent.call(sessionToken, "POST", `/sessions/${session_id}/end`);
    expect(ended.body).toMatchObject({ status: "ended", outcome: "completed" });
    await crash();
    expect((await agent.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues")).status).toBe(401);
    expect((await agent.exchange(sessionToken, `${world.issuer}/proxy/github`)).status).toBe(400);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session_id}/receipt`);
    expect(claimsOf(String(body["receipt"]))).toMatchObject({
      outcome: "completed",
      leases: [{ fate: { fate: "revoked" } }],
    });
  });

  it("FC sends the links after it comes back, when it was killed before it could", async () => {
    world = await startTestWorld();
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask())).body;
    await crash();
    const dana = await Approver.bySlack(world, "dana", session_id);
    expect((await dana.approve()).status).toBe(200);
  });

  it("a revocation that was acknowledged holds", async () => {
    world = await startTestWorld();
    const { agent, sessionToken, sessionId, proxyToken } = await approvedSession(world);
    const token = await proxyToken("echo");
    await world.broker.admin("POST", `/admin/sessions/${sessionId}/revoke`, {});
    await crash();
    expect((await agent.call(token, "GET", "/proxy/echo/things")).status).toBe(401);
    expect((await agent.exchange(sessionToken, `${world.issuer}/proxy/echo`)).status).toBe(400);
  });

  it("FA a task that a client was told of is there, with what its human answered, and stays cancelled", async () => {
    world = await startTestWorld();
    const who = await caller(world);
    const both = { ...TASKS, ...URLS };
    const { taskId } = (await callTool(who, "request_session", MCP_ASK, both)).result;
    await crash();
    const get = async () => (await rpc(who, "tasks/get", { taskId }, both)).result.status;
    expect(await get()).toBe("input_required");
    await rpc(who, "tasks/update", { taskId, inputResponses: { approval: { action: "accept" } } }, both);
    await crash();
    expect(await get()).toBe("working");
    await rpc(who, "tasks/cancel", { taskId }, both);
    await crash();
    expect(await get()).toBe("cancelled");
  });

  it("P6 has an event for every token, after kills at random moments", async () => {
    world = await startTestWorld();
    const { agent, sessionToken, sessionId } = await approvedSession(world);
    const minted = new Set<string>();
    for (let round = 0; round < RANDOM_KILLS; round += 1) {
      // However slow the machine is, there is something to lose: so many tokens, with others on their way.
      const wanted = minted.size + 1 + 4 * round;
      const enough = Promise.withResolvers<void>();
      const busy = Array.from({ length: 6 }, async () => {
        for (let at = 0; at < 40; at += 1) {
          const answer = await agent.exchange(sessionToken, `${world.issuer}/proxy/echo`).catch(() => undefined);
          if (answer === undefined) return;
          if (answer.status === 200) minted.add(String(claimsOf(tokenOf(answer))["jti"]));
          if (minted.size >= wanted) enough.resolve();
        }
      });
      await Promise.race([enough.promise, Promise.all(busy)]);
      await world.broker.kill9();
      await Promise.all(busy);
      await world.broker.restart();
    }
    expect(minted.size).toBeGreaterThan(0);
    const recorded = await until("all events in the ledger", async () => {
      const jtis = await mintedIn(sessionId);
      return [...minted].every((jti) => jtis.has(jti)) ? jtis : undefined;
    });
    expect(recorded.size).toBeGreaterThanOrEqual(minted.size);
  });
});

async function mintedIn(sessionId: string): Promise<Set<string>> {
  const jtis = new Set<string>();
  for (let after = 0; ;) {
    const { body } = await world.broker.admin("GET", `/admin/audit?after=${after}`);
    const rows = body["rows"] as { n: number; source: string; type: string; data: string }[];
    if (rows.length === 0) return jtis;
    for (const row of rows) {
      if (row.source === sessionId && row.type === "token.minted")
        jtis.add(String((JSON.parse(row.data) as { jti: string }).jti));
    }
    after = rows.at(-1)!.n;
  }
}
