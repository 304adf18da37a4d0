import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { ask, READ_API, startTestWorld, TOOLS, type TestWorld } from "./support/world.ts";

const DANA = "dana@acme.example";
const SAM = "sam@acme.example";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

type Part = Record<string, unknown> & { id: string };
type Parts = { people: Part[]; policies: Part[]; upstreams: Part[]; servers: Part[]; agents: Part[] };

/** Applies the document with some of its parts changed. */
async function apply(change: (parts: Parts) => Partial<Parts>): Promise<void> {
  const changes = change(world.document as unknown as Parts);
  const { status, body } = await world.broker.admin("POST", "/admin/tenant", { ...world.document, ...changes });
  if (status !== 200) throw new Error(JSON.stringify(body));
}
const approvers = (...words: string[]) =>
  apply(({ policies }) => ({ policies: policies.map((policy) => ({ ...policy, approvers: words })) }));

/** A request that Dana was asked about, and has looked at up to the page where it is decided. */
async function reviewed() {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask())).body;
  const dana = await Approver.bySlack(world, "dana", session_id);
  await dana.view();
  await dana.review();
  return { agent, auth_req_id, dana };
}

describe("who a request is for, when it is decided (group E)", () => {
  it.each<[string, (parts: Parts) => Partial<Parts>]>([
    [
      "left the group",
      ({ people }) => ({ people: people.map((one) => (one.id === DANA ? { ...one, groups: ["sales"] } : one)) }),
    ],
    [
      "is no approver any more",
      ({ people }) => ({ people: people.map((one) => (one.id === DANA ? { ...one, roles: ["auditor"] } : one)) }),
    ],
    ["came to own the agent", ({ agents }) => ({ agents: agents.map((one) => ({ ...one, owner: DANA })) })],
    ["is asked by a policy that is gone", () => ({ policies: [] })],
  ])("W03 nobody decides who %s while it waited", async (_, change) => {
    const { agent, auth_req_id, dana } = await reviewed();
    await apply(change);
    expect((await dana.decide("approve")).status).toBe(403);
    expect((await dana.view()).status).toBe(403);
    const digest = claimsOf(dana.token)["request_digest"] as string;
    expect((await dana.decide("deny", { digest })).status).toBe(403);
    await apply(() => ({}));
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    // Who came back in time can decide after all.
    expect((await dana.decide("approve")).status).toBe(200);
  });

  it("W03 nobody decides who left while it waited, nor whoever has their id then", async () => {
    const { agent, auth_req_id, dana } = await reviewed();
    await apply(({ people }) => ({ people: people.filter(({ id }) => id !== DANA) }));
    const tried = async () => [(await dana.decide("approve")).status, (await dana.view()).status];
    expect(await tried()).toEqual([403, 403]);
    await apply(() => ({}));
    expect(await tried()).toEqual([403, 403]);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    // Within seconds another isolate might still have asked whoever left, so what is asked then does not count either.
    await until("a request that Dana may decide", async () => {
      const { dana: asked } = await reviewed();
      return (await asked.decide("approve")).status === 200 || undefined;
    });
  });

  it("a request whose group is empty, or holds its owner alone, is refused at once and asks nobody", async () => {
    for (const word of ["group:nobody", SAM]) {
      await approvers(word);
      const refused = await (await world.freshAgent()).ask(ask());
      expect(refused).toMatchObject({ status: 403, body: { error: "access_denied" } });
      expect(refused.body).not.toHaveProperty("auth_req_id");
    }
    await apply(() => ({}));
  });

  it("owner:upstream asks the owner of what is touched, and nobody where there are two or it is the agent's own", async () => {
    await apply(({ policies, upstreams }) => ({
      policies: policies.map((policy) => ({ ...policy, approvers: ["owner:upstream"] })),
      upstreams: upstreams.map((one) => ({ ...one, owner: DANA })),
    }));
    const agent = await world.freshAgent();
    const asked = await agent.ask(ask({ authorization_details: [READ_API] }));
    expect(asked.status).toBe(202);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${asked.body.session_id}`);
    expect(body["plan"]).toMatchObject({ approvers: [DANA] });
    // Sam owns the server, and every agent.
    expect((await agent.ask(ask({ authorization_details: [READ_API, TOOLS] }))).status).toBe(403);
    expect((await agent.ask(ask({ authorization_details: [TOOLS] }))).status).toBe(403);

    const dana = await Approver.bySlack(world, "dana", asked.body.session_id);
    await dana.view();
    await dana.review();
    await apply(({ policies, upstreams }) => ({
      policies: policies.map((policy) => ({ ...policy, approvers: ["owner:upstream"] })),
      upstreams: upstreams.map((one) => ({ ...one, owner: SAM })),
    }));
    expect((await dana.decide("approve")).status).toBe(403);
    await apply(() => ({}));
  });
});
