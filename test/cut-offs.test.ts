import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver } from "./support/approver.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

describe("in the second of a cut-off (R09)", () => {
  it("R09 takes nothing that would be born dead: what is taken after a cut-off lives, what is not says when to ask again", async () => {
    const agent = await world.freshAgent();
    const before = (await agent.ask(ask())).body;
    const refused = await until("a request in the second of a cut-off", async () => {
      await world.broker.admin("POST", `/admin/agents/${agent.clientId}/revoke`, {});
      const answer = await agent.ask(ask());
      if (answer.status === 202) {
        expect((await agent.poll(answer.body.auth_req_id)).body["error"]).toBe("authorization_pending");
        return undefined;
      }
      return answer;
    });
    expect(refused).toMatchObject({ status: 503, body: { error: "temporarily_unavailable" } });
    const after = await until("a request that is taken", async () => {
      const answer = await agent.ask(ask());
      return answer.status === 202 ? answer.body : undefined;
    });
    expect(after.session_id).not.toBe(before.session_id);
    expect((await agent.poll(after.auth_req_id)).body["error"]).toBe("authorization_pending");
    expect((await agent.poll(before.auth_req_id)).body["error"]).toBe("access_denied");
  });

  it("R09 takes no approval that would be born dead: what is approved after a cut-off lives, what is not says so", async () => {
    const refused = await until("a decision in the second of a cut-off", async () => {
      const agent = await world.freshAgent();
      const { session_id, auth_req_id } = (await agent.ask(ask())).body;
      const dana = await Approver.bySlack(world, "dana", session_id);
      await dana.view();
      await dana.review();
      await world.broker.admin("POST", "/admin/people/dana@acme.example/revoke", {});
      const decided = await dana.decide("approve");
      if (decided.status !== 200) return { agent, auth_req_id, dana, decided };
      tokenOf(await agent.poll(auth_req_id));
      return undefined;
    });
    const { agent, auth_req_id, dana, decided } = refused;
    expect([decided.status, decided.html.includes("Approve it once more")]).toEqual([503, true]);
    expect((await agent.poll(auth_req_id)).body["error"]).toBe("authorization_pending");
    await until("an approval that is taken", async () => {
      await dana.view();
      await dana.review();
      return (await dana.decide("approve")).status === 200 ? true : undefined;
    });
    const token = tokenOf(await agent.poll(auth_req_id));
    expect((await agent.introspect(token)).body["active"]).toBe(true);
  });
});
