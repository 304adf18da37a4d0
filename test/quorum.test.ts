import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      // Somebody else owns the agents, so that Dana and Sam can both decide.
      people: [...(document["people"] as object[]), { id: "kim@acme.example", name: "Kim" }],
      agents: (document["agents"] as object[]).map((agent) => ({ ...agent, owner: "kim@acme.example" })),
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, quorum: 2 })),
    }),
  });
});
afterAll(() => world?.close());

const withDana = (people: unknown, changes: object) =>
  (people as { id: string }[]).map((one) => (one.id === "dana@acme.example" ? { ...one, ...changes } : one));
const owned = (agents: unknown) => (agents as object[]).map((one) => ({ ...one, owner: "dana@acme.example" }));

async function asked() {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask())).body;
  const dana = await Approver.bySlack(world, "dana", session_id);
  const sam = await Approver.bySlack(world, "sam", session_id);
  return { agent, session_id, auth_req_id, dana, sam };
}

describe("a policy that demands two approvals", () => {
  it("begins when both have approved the very grant that the first one made", async () => {
    const { agent, session_id, auth_req_id, dana, sam } = await asked();
    await dana.view();
    const review = await dana.review((unit) => !unit.includes("write"), 300);
    expect(review.html).toContain("2 people have to approve the very same");
    expect((await dana.decide("approve")).html).toContain("one more person has");
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    expect((await dana.view()).html).toContain("You have approved this before");

    const shown = await sam.view();
    expect(shown.html).toContain("Approve exactly this?");
    expect(shown.html).toContain("Approved so far by dana@acme.example");
    expect(shown.html).not.toContain("Open, change and close issues");
    expect((await sam.decide("approve")).html).toContain("Approved");
    await new Promise((done) => setTimeout(done, 2100));
    const token = tokenOf(await agent.poll(auth_req_id));
    expect(JSON.stringify(claimsOf(token)["authorization_details"])).not.toContain("write");

    await agent.call(token, "POST", `/sessions/${session_id}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session_id}/receipt`);
      return status === 200 ? String(body["receipt"]) : undefined;
    });
    const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
    const verified = await verifyReceipt(receipt, jwks);
    expect(verified).toMatchObject({ ok: true });
    expect(JSON.stringify(verified)).toContain("dana@acme.example: known by the link");
    expect(JSON.stringify(verified)).toContain("sam@acme.example: known by the link");
  });

  it("takes nobody's approval twice, and no other grant than the first", async () => {
    const { agent, auth_req_id, dana, sam } = await asked();
    await sam.view();
    await sam.review();
    await dana.approve((unit) => !unit.includes("write"));
    const again = await dana.decide("approve");
    expect(again.html).toContain("You have approved this before");
    // Sam reviewed a wider grant before Dana signed hers.
    expect((await sam.decide("approve")).status).toBe(409);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
  });

  it("is denied by one, though the other approved", async () => {
    const { agent, auth_req_id, dana, sam } = await asked();
    await dana.approve();
    await sam.view();
    expect((await sam.decide("deny", { digest: claimsOf(sam.token)["request_digest"] as string })).html).toContain(
      "Denied",
    );
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
  });

  it("begins once, of many approvals at once", async () => {
    const { session_id, dana, sam } = await asked();
    await dana.approve();
    await sam.view();
    const pages = await Promise.all(Array.from({ length: 20 }, () => sam.decide("approve")));
    expect(pages.filter(({ html }) => html.includes("may now do this")).length).toBe(1);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session_id}`);
    expect((body["approvals"] as { person: string }[]).map(({ person }) => person)).toEqual([
      "dana@acme.example",
      "sam@acme.example",
    ]);
  });

  const changed: [string, (document: Record<string, unknown>) => object][] = [
    ["is no approver any more", ({ people }) => ({ people: withDana(people, { roles: ["auditor"] }) })],
    ["came to own the agent", ({ agents }) => ({ agents: owned(agents) })],
    ["left the group", ({ people }) => ({ people: withDana(people, { groups: [] }) })],
  ];
  it.each(changed)("W03 P3 counts nobody's approval who %s when the other one approves", async (_, change) => {
    const { agent, auth_req_id, dana, sam } = await asked();
    expect((await dana.approve()).html).toContain("one more person has");
    const applied = await world.broker.admin("POST", "/admin/tenant", { ...world.document, ...change(world.document) });
    expect(applied.status).toBe(200);
    expect((await sam.view()).html).not.toContain("Approved so far by");
    expect((await sam.approve()).html).toContain("one more person has");
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    await world.broker.admin("POST", "/admin/tenant", world.document);
    await dana.view();
    expect((await dana.decide("approve")).html).toContain("Approved");
  });

  it("refuses a request that names its one approver, and W03 a policy that came to demand more applies at once", async () => {
    const agent = await world.freshAgent();
    const named = await agent.form("/oauth/backchannel", async () => ({
      scope: "github:issues:read@acme/api",
      login_hint: "dana@acme.example",
      ...(await agent.assertion()),
    }));
    expect(named).toMatchObject({ status: 403, body: { error: "access_denied" } });
    const { policies } = world.document as { policies: object[] };
    const apply = (quorum: number) =>
      world.broker.admin("POST", "/admin/tenant", {
        ...world.document,
        policies: policies.map((policy) => ({ ...policy, quorum })),
      });
    await apply(1);
    const { agent: other, auth_req_id, dana, sam } = await asked();
    await apply(2);
    await dana.approve();
    expect((await other.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    await sam.view();
    expect((await sam.decide("approve")).html).toContain("Approved");
  });

  // The last one: what Dana signs within this second is revoked with it.
  it("W03 P3 counts nobody's approval that was revoked while it waited for another", async () => {
    const { agent, auth_req_id, dana, sam } = await asked();
    await dana.approve();
    await world.broker.admin("POST", "/admin/people/dana@acme.example/revoke", { reason: "lost laptop" });
    expect((await sam.approve()).html).toContain("one more person has");
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
  });
});
