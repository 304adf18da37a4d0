import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import type { SoftAuthenticator } from "./support/authenticator.ts";
import { enrolled } from "./support/invited.ts";
import { approvedSession, ask, READ_API, startTestWorld, tokenOf, WRITE_API, type TestWorld } from "./support/world.ts";

const DANA = "dana@acme.example";
const SAM = "sam@acme.example";
const LEE = "lee@acme.example";
const REASON = "production is down";

let world: TestWorld;
let lee: SoftAuthenticator;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      people: [
        // Sam owns every agent.
        ...(document["people"] as { id: string }[]).map((person) =>
          person.id === SAM ? { ...person, roles: ["approver", "admin"] } : person,
        ),
        { id: LEE, name: "Lee", roles: ["admin"] },
        { id: "pat@acme.example", name: "Pat", roles: ["admin"] },
        { id: "kim@acme.example", name: "Kim", roles: ["approver"], groups: ["platform"] },
      ],
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, max_duration: "8h" })),
      break_glass: { max_duration: "30m" },
    }),
  });
  lee = await enrolled(world, LEE);
});
afterAll(() => world?.close());

const apply = (changes: object) => world.broker.admin("POST", "/admin/tenant", { ...world.document, ...changes });
const policies = (changes: object) => ({
  policies: (world.document["policies"] as object[]).map((policy) => ({ ...policy, ...changes })),
});
const breakGlass = (session_id: string, changes: object = {}) =>
  world.broker.admin("POST", "/admin/break-glass", { session_id, person: LEE, reason: REASON, ...changes });
const uses = async () =>
  (await world.broker.admin("GET", "/admin/break-glass")).body["uses"] as Record<string, unknown>[];

async function asked(changes: Record<string, unknown> = {}) {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask(changes))).body;
  return { agent, session_id, auth_req_id };
}

/** The admin's browser at the link that breaking the glass answered. */
async function broken(session_id: string): Promise<Approver> {
  const { status, body } = await breakGlass(session_id);
  expect(status).toBe(200);
  return new Approver(world.issuer, String(body["link"]).split("#")[1] ?? "");
}

/** Somebody who was asked, at the review. */
async function reviewer(session_id: string): Promise<Approver> {
  const dana = await Approver.bySlack(world, "dana", session_id);
  await dana.post("/approve/watch", { token: dana.token });
  return dana;
}

describe("W06 breaking the glass", () => {
  it("lets an admin decide alone with a passkey, tells everybody, is reviewed by another, and shows in the receipt", async () => {
    const { agent, session_id, auth_req_id } = await asked({ expires_in: 7200 });
    const admin = await broken(session_id);
    const first = await admin.view();
    expect(first.html).toContain("You decide alone");
    // Half an hour is the most that the document allows, however long the request.
    expect(first.html).not.toContain('value="3600"');
    await admin.review();
    const page = await admin.sign(lee);
    expect(page.html).toContain("Approved");
    const token = tokenOf(await agent.poll(auth_req_id));
    const { exp, iat } = claimsOf(token) as { exp: number; iat: number };
    expect(exp - iat).toBeLessThanOrEqual(1800);

    const told = async (name: "dana" | "sam") =>
      (await world.emulators.directMessages(await world.emulators.slackId(name))).find((text) =>
        text.includes("Glass broken"),
      );
    expect(await until("Dana, who was asked", () => told("dana"))).toContain(REASON);
    await until("Sam, who owns the agent", () => told("sam"));
    await until("the channel", async () =>
      (await world.emulators.channelMessages("approvals")).find((text) => text.includes("Glass broken")),
    );
    await until("Kim's mail, who was asked", async () =>
      (await world.emulators.mails()).find(
        ({ to, subject }) => to.includes("kim@acme.example") && subject.includes("Glass broken"),
      ),
    );
    await until("Lee's own mail", async () =>
      (await world.emulators.mails()).find(({ to, subject }) => to.includes(LEE) && subject.includes("Glass broken")),
    );

    const dana = await reviewer(session_id);
    expect((await dana.post("/approve/watch", { token: dana.token })).html).toContain("The glass is broken");
    expect((await dana.post("/approve/reviewed", { token: dana.token })).status).toBe(403);

    await agent.call(token, "POST", `/sessions/${session_id}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session_id}/receipt`);
      return status === 200 ? String(body["receipt"]) : undefined;
    });
    expect(claimsOf(receipt)["decision"]).toMatchObject({ person: LEE, break_glass: REASON, assurance: "passkey" });
    const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
    expect(JSON.stringify(await verifyReceipt(receipt, jwks))).toContain(
      "alone, breaking the glass: production is down",
    );

    expect(await uses()).toMatchObject([{ session_id, person: LEE, reviewed_by: null }]);
    const review = await dana.post("/approve/watch", { token: dana.token });
    expect(review.html).toContain("Review what an admin did alone");
    const csrf = /name="csrf" value="([^"]*)"/.exec(review.html)?.[1] ?? "";
    const close = (changes: object) =>
      dana.post("/approve/reviewed", { token: dana.token, csrf, comment: "all well", ...changes });
    expect((await close({ csrf: "x" })).status).toBe(403);
    expect((await close({ comment: " " })).status).toBe(400);
    expect(await uses()).toMatchObject([{ reviewed_by: null }]);
    const pages = await Promise.all([close({}), close({}), close({})]);
    expect(pages.filter(({ html }) => html.includes("is reviewed")).length).toBe(1);
    expect(await uses()).toMatchObject([{ session_id, reviewed_by: DANA, comment: "all well" }]);

    const rows = await until("the audit rows", async () => {
      const all = await auditRows(world);
      return all.some(({ type }) => type === "glass.reviewed") && all.some(({ type }) => type === "glass.broken")
        ? all
        : undefined;
    });
    const of = (type: string) => rows.filter((row) => row.type === type).map(({ data }) => JSON.parse(data) as object);
    expect(of("glass.claimed")).toMatchObject([{ session_id, person: LEE, reason: REASON }]);
    expect(of("glass.broken")).toMatchObject([{ person: LEE, reason: REASON }]);
    expect(of("glass.reviewed")).toMatchObject([{ session_id, person: DANA, of: LEE, comment: "all well" }]);
  });

  it("is never enough with the link alone, though the policy asks others for no more", async () => {
    const { agent, session_id, auth_req_id } = await asked();
    const admin = await broken(session_id);
    await admin.view();
    await admin.review();
    expect((await admin.decide("approve")).status).toBe(403);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
  });

  it("takes no longer grant than the document lets it, whatever the page is made to post", async () => {
    const { session_id } = await asked({ expires_in: 7200 });
    const admin = await broken(session_id);
    await admin.view();
    const page = await admin.review(() => true, 7200);
    const end = /&quot;expires_at&quot;:(\d+)/.exec(page.html)?.[1];
    expect(Number(end) - Date.now() / 1000).toBeLessThanOrEqual(1800);
    const grant = /name="grant" value="([^"]*)"/.exec(page.html)?.[1]?.replaceAll("&quot;", '"') ?? "";
    const longer = grant.replace(`"expires_at":${end}`, `"expires_at":${Number(end) + 60}`);
    expect((await admin.sign(lee, {}, { grant: longer })).status).toBe(409);
  });

  it("W02 is refused for one's own agent, for what it works for, for who is no admin, and where the document is silent", async () => {
    const { session_id } = await asked();
    expect(await breakGlass(session_id, { person: SAM })).toMatchObject({
      status: 403,
      body: { error: "access_denied" },
    });
    await apply(policies({ solo: true }));
    expect((await breakGlass(session_id, { person: SAM })).status).toBe(403);
    await apply({});
    expect((await breakGlass(session_id, { person: DANA })).status).toBe(403);
    expect((await breakGlass(session_id, { person: "nobody" })).status).toBe(403);
    await apply({ break_glass: undefined });
    expect((await breakGlass(session_id)).status).toBe(403);
    await apply({});
    expect((await uses()).some((use) => use["session_id"] === session_id)).toBe(false);
    const refused = await until("the audit rows", async () => {
      const rows = (await auditRows(world)).filter(({ source, type }) => source === session_id && type === "refused");
      return rows.length === 5 ? rows.map(({ data }) => (JSON.parse(data) as { reason: string }).reason) : undefined;
    });
    expect(refused).toEqual([
      "glass_own_request",
      "glass_own_request",
      "glass_not_an_admin",
      "glass_not_an_admin",
      "glass_not_enabled",
    ]);
  });

  it("never gives a session more that goes on already", async () => {
    const session = await approvedSession(world, { authorization_details: [READ_API], expires_in: 3600 });
    const { body } = await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/grants`, {
      authorization_details: [WRITE_API],
    });
    const requestId = String((body as Record<string, unknown>)["request_id"]);
    expect(await breakGlass(requestId)).toMatchObject({ status: 403, body: { error: "access_denied" } });
  });

  it.each<[string, object, number]>([
    ["no reason", { reason: undefined }, 400],
    ["an empty reason", { reason: " \n " }, 400],
    ["a reason that is no text", { reason: 5 }, 400],
    ["nobody", { person: undefined }, 400],
    ["what is not in it", { force: true }, 400],
    ["an id of another form", { session_id: "../x" }, 404],
    ["a session that is not there", { session_id: "ses_AAAAAAAAAAAAAAAAAAAAAA" }, 404],
  ])("refuses %s", async (_, changes, status) => {
    const before = await uses();
    expect((await breakGlass("ses_AAAAAAAAAAAAAAAAAAAAAA", changes)).status).toBe(status);
    expect(await uses()).toEqual(before);
  });

  it("is refused once the request is decided, and for a second admin", async () => {
    const first = await asked();
    await (await Approver.bySlack(world, "dana", first.session_id)).deny();
    expect((await breakGlass(first.session_id)).status).toBe(409);
    const second = await asked();
    await broken(second.session_id);
    expect((await breakGlass(second.session_id, { person: "pat@acme.example" })).status).toBe(409);
    expect((await breakGlass(second.session_id)).status).toBe(200);
    expect((await uses()).filter((use) => use["session_id"] === second.session_id)).toHaveLength(1);
  });

  it("leaves the others their decision: one of them denies, and the admin is too late", async () => {
    const { agent, session_id, auth_req_id } = await asked();
    const admin = await broken(session_id);
    await admin.view();
    await admin.review();
    const dana = await Approver.bySlack(world, "dana", session_id);
    expect((await dana.view()).html).toContain("may decide this alone");
    await dana.decide("deny", { digest: claimsOf(dana.token)["request_digest"] as string });
    expect((await admin.decide("approve")).status).toBe(409);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "access_denied" });
    // A use that came to nothing is reviewed as well.
    expect((await dana.view()).html).toContain("See what was done, and review it");
  });

  it("W03 ends when the document takes it back, and never lets the admin decide as an approver", async () => {
    const { session_id } = await asked();
    const admin = await broken(session_id);
    await admin.view();
    await admin.review();
    const { nonce, challenge } = await admin.challenge();
    await apply({ break_glass: undefined });
    expect((await admin.decide("approve", { nonce, credential: lee.get(challenge) })).status).toBe(403);
    await apply({});
  });

  it("replaces a quorum, and makes a grant of its own", async () => {
    await apply({ ...policies({ quorum: 2 }), break_glass: { max_duration: "30m" } });
    const { agent, session_id, auth_req_id } = await asked({ expires_in: 7200 });
    const dana = await Approver.bySlack(world, "dana", session_id);
    await dana.approve();
    const admin = await broken(session_id);
    await admin.view();
    await admin.review((unit) => unit.includes("read"));
    expect((await admin.sign(lee)).html).toContain("Approved");
    const details = JSON.stringify(claimsOf(tokenOf(await agent.poll(auth_req_id)))["authorization_details"]);
    expect(details).not.toContain("write");
    await apply({});
  });

  it("gives the admin nothing of it to review, nor the agent's owner, nor anybody without a link", async () => {
    const { session_id } = await asked();
    const admin = await broken(session_id);
    await admin.view();
    await admin.decide("deny", { digest: claimsOf(admin.token)["request_digest"] as string });
    const own = await admin.post("/approve/watch", { token: admin.token });
    expect(own.html).not.toContain("Review what an admin did alone");
    const { html } = await (await reviewer(session_id)).view();
    const csrf = /name="csrf" value="([^"]*)"/.exec(html)?.[1] ?? "";
    expect((await admin.post("/approve/reviewed", { token: admin.token, csrf, comment: "fine" })).status).toBe(403);
    expect((await uses()).find((use) => use["session_id"] === session_id)).toMatchObject({ reviewed_by: null });
  });

  it("is refused to an admin whose earlier use waits for its review too long", async () => {
    await apply({ break_glass: { max_duration: "30m", review_within: "1s" } });
    const first = await asked();
    await broken(first.session_id);
    const second = await asked();
    await until("the end of the review's time", async () => {
      const { status } = await breakGlass((await asked()).session_id);
      return status === 403 ? true : undefined;
    });
    expect(await breakGlass(second.session_id)).toMatchObject({ status: 403, body: { error: "access_denied" } });
    await apply({});
  });

  it.each<[string, object]>([
    ["/break_glass/max_duration", { max_duration: "61m" }],
    ["/break_glass/review_within", { review_within: "8d" }],
    ["/break_glass", { always: true }],
  ])("W05 refuses a document at %s, and warns of one that allows it", async (path, break_glass) => {
    expect(await apply({ break_glass })).toMatchObject({ status: 400, body: { problems: [{ path }] } });
    const { body } = await world.broker.admin("POST", "/admin/tenant?dry_run=true", world.document);
    expect(body["warnings"]).toContainEqual(expect.objectContaining({ path: "/break_glass" }));
  });
});
