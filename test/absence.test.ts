import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf, linksIn } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

const AWAY = "/admin/people/kim@acme.example/away";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      // Kim decides, and has no address that any test could read.
      people: [...(document["people"] as object[]), { id: "kim@acme.example", name: "Kim", roles: ["approver"] }],
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, approvers: ["kim@acme.example"] })),
    }),
  });
});
afterAll(() => world?.close());

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const away = (body: object) => world.broker.admin("PUT", AWAY, body);
const back = () => world.broker.admin("DELETE", AWAY);
const apply = (changes: object) => world.broker.admin("POST", "/admin/tenant", { ...world.document, ...changes });

describe("while an approver is away", () => {
  it("the delegate is asked and decides in their place; pages, audit, outcome and receipt say so", async () => {
    expect(await away({ until: inAnHour(), delegate: "dana@acme.example" })).toMatchObject({
      status: 200,
      body: { person: "kim@acme.example", delegate: "dana@acme.example" },
    });
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    const first = await dana.view();
    expect(first.html).toContain("Kim (kim@acme.example), away until");
    expect(first.html).toContain("You decide in the place of");
    expect((await dana.review()).html).toContain("You decide in the place of");
    expect((await dana.decide("approve")).html).toContain("Approved");
    // Sam owns the agent, and is told who decided.
    await until("Sam's message of the outcome", async () =>
      (await world.emulators.directMessages(await world.emulators.slackId("sam"))).find((text) =>
        text.includes("dana@acme.example, in the place of kim@acme.example, approved it"),
      ),
    );
    const token = tokenOf(await agent.poll(auth_req_id));
    await agent.call(token, "POST", `/sessions/${session_id}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session_id}/receipt`);
      return status === 200 ? String(body["receipt"]) : undefined;
    });
    expect(claimsOf(receipt)["decision"]).toMatchObject({
      person: "dana@acme.example",
      on_behalf_of: "kim@acme.example",
    });
    const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
    expect(JSON.stringify(await verifyReceipt(receipt, jwks))).toContain(
      "dana@acme.example (in the place of kim@acme.example)",
    );
    const rows = await until("the audit rows", async () => {
      const all = await auditRows(world);
      return all.some(({ source, type }) => source === session_id && type === "decision.approved") ? all : undefined;
    });
    const dataOf = (type: string) => rows.filter((row) => row.type === type).map(({ data }) => JSON.parse(data));
    expect(dataOf("person.away")).toMatchObject([{ person: "kim@acme.example", delegate: "dana@acme.example" }]);
    expect(dataOf("decision.approved")).toMatchObject([
      { person: "dana@acme.example", on_behalf_of: "kim@acme.example" },
    ]);
    await until("Dana's message of the absence", async () =>
      (await world.emulators.directMessages(await world.emulators.slackId("dana"))).find((text) =>
        text.includes("may decide requests in the place of"),
      ),
    );
  });

  it("W02 nobody stands in for a request of their own agent", async () => {
    // Sam owns every agent here.
    await away({ until: inAnHour(), delegate: "sam@acme.example" });
    const { session_id } = (await (await world.freshAgent()).ask(ask())).body;
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session_id}`);
    expect(body["plan"]).not.toHaveProperty("stand_ins");
  });

  it("a link that was sent decides nothing once the absent one is back, or the delegate has changed", async () => {
    await away({ until: inAnHour(), delegate: "dana@acme.example" });
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    await dana.view();
    await dana.review();
    await back();
    expect((await dana.decide("approve")).status).toBe(403);
    await away({ until: inAnHour(), delegate: "sam@acme.example" });
    expect((await dana.decide("approve")).status).toBe(403);
    expect((await dana.decide("deny", { digest: claimsOf(dana.token)["request_digest"] as string })).status).toBe(403);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    // Had she been told of it again, she could.
    await away({ until: inAnHour(), delegate: "dana@acme.example" });
    expect((await dana.decide("approve")).status).toBe(200);
  });

  it("W03 nobody decides in the place of somebody whom the policy names no more", async () => {
    await away({ until: inAnHour(), delegate: "dana@acme.example" });
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    await dana.view();
    await dana.review();
    const { policies } = world.document as { policies: object[] };
    await apply({ policies: policies.map((policy) => ({ ...policy, approvers: ["sam@acme.example"] })) });
    expect((await dana.decide("approve")).status).toBe(403);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    await apply({});
  });

  it("asks of the delegate the assurance that it asks of the absent one", async () => {
    const { policies } = world.document as { policies: object[] };
    await apply({ policies: policies.map((policy) => ({ ...policy, assurance: "passkey" })) });
    await away({ until: inAnHour(), delegate: "dana@acme.example" });
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    expect((await dana.view()).html).not.toContain("Review and approve");
    await dana.review();
    expect((await dana.decide("approve")).status).toBeGreaterThanOrEqual(400);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    await apply({});
  });

  it.each<[string, object]>([
    ["no time", { delegate: "dana@acme.example" }],
    ["no delegate", { until: "2030-01-01T00:00:00Z" }],
    ["a time that is over", { until: "2020-01-01T00:00:00Z", delegate: "dana@acme.example" }],
    ["a time without its place", { until: "2030-01-01T00:00:00", delegate: "dana@acme.example" }],
    ["a number for a time", { until: 4_000_000_000, delegate: "dana@acme.example" }],
    ["more than thirty days", { until: "2099-01-01T00:00:00Z", delegate: "dana@acme.example" }],
    ["themselves", { until: inAnHour(), delegate: "kim@acme.example" }],
    ["nobody", { until: inAnHour(), delegate: "nobody" }],
    ["an end before its beginning", { from: "2090-01-01T00:00:00Z", until: inAnHour(), delegate: "dana@acme.example" }],
    ["what is not in it", { until: inAnHour(), delegate: "dana@acme.example", roles: ["admin"] }],
  ])("refuses %s, and changes nothing", async (_, body) => {
    await back();
    expect(await away(body)).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    expect((await back()).status).toBe(404);
  });

  it("knows nobody who is not in the document, and tells nobody without the admin's token", async () => {
    const body = { until: inAnHour(), delegate: "dana@acme.example" };
    expect((await world.broker.admin("PUT", "/admin/people/nobody/away", body)).status).toBe(404);
    const bare = await fetch(world.issuer + AWAY, { method: "PUT", body: JSON.stringify(body) });
    expect(bare.status).toBe(401);
    expect((await back()).status).toBe(404);
  });

  it("W05 refuses a document whose absence names somebody who cannot stand in", async () => {
    const people = (delegate: string) => [
      ...(world.document["people"] as object[]).slice(0, 2),
      {
        id: "kim@acme.example",
        name: "Kim",
        roles: ["approver"],
        away: { from: "2027-01-01T00:00:00Z", until: "2027-01-20T00:00:00Z", delegate },
      },
    ];
    expect(await apply({ people: people("nobody") })).toMatchObject({
      status: 400,
      body: { problems: [{ path: "/people/2/away" }] },
    });
    expect((await apply({ people: people("dana@acme.example") })).status).toBe(200);
    await apply({});
  });

  it("never sends a link of a request that came before the absence", async () => {
    const { session_id } = (await (await world.freshAgent()).ask(ask())).body;
    await away({ until: inAnHour(), delegate: "dana@acme.example" });
    const later = (await (await world.freshAgent()).ask(ask())).body.session_id;
    await Approver.bySlack(world, "dana", later);
    const messages = await world.emulators.directMessages(await world.emulators.slackId("dana"));
    const sessions = messages.flatMap(linksIn).map((link) => claimsOf(link)["sid"]);
    expect(sessions).toContain(later);
    expect(sessions).not.toContain(session_id);
  });
});
