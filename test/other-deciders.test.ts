import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import type { SoftAuthenticator } from "./support/authenticator.ts";
import type { IdentityProviderHost } from "./support/identity-provider.ts";
import { signRaw } from "./support/forge.ts";
import { enrolled } from "./support/invited.ts";
import { newClientKey } from "./support/oauth-world.ts";
import { SsoBrowser } from "./support/sso-browser.ts";
import { startSsoWorld } from "./support/sso-world.ts";
import { ask, ECHO, tokenOf, type TestWorld } from "./support/world.ts";

const KIM = "kim@acme.example";
const LEE = "lee@acme.example";
const AWAY = `/admin/people/${KIM}/away`;
const READ_THINGS = { ...ECHO, actions: ["things:read"] };
const WRITE_THINGS = { ...ECHO, actions: ["things:write"] };

/** People who decide in somebody else's place or alone, at a tenant whose policies demand a sign-in. */
let world: TestWorld;
let provider: IdentityProviderHost;
let lee: SoftAuthenticator;
beforeAll(async () => {
  ({ world, provider } = await startSsoWorld());
  const { people, policies, sso } = world.document as { people: object[]; policies: object[]; sso: object };
  const known = (id: string, roles: string[]) => ({
    id,
    name: id.startsWith("kim") ? "Kim" : "Lee",
    roles,
    identities: [{ issuer: provider.issuer, subject: `u-${id.split("@")[0]}` }],
  });
  const document = {
    ...world.document,
    sso: { ...sso, roles: { approver: ["approvers"], admin: ["admins"] } },
    people: [...people, known(KIM, ["approver"]), known(LEE, ["approver", "admin"])],
    policies: policies.map((policy) => ({ ...policy, approvers: [KIM], limits: { calls: 5 } })),
    break_glass: { max_duration: "30m" },
  };
  expect((await world.broker.admin("POST", "/admin/tenant", document)).status).toBe(200);
  const end = new Date(Date.now() + 3_600_000).toISOString();
  expect((await world.broker.admin("PUT", AWAY, { until: end, delegate: "dana@acme.example" })).status).toBe(200);
  provider.accounts.set("kim", { sub: "u-kim", groups: ["approvers"], acr: "urn:example:mfa" });
  lee = await enrolled(world, LEE);
});
afterAll(async () => {
  await provider?.close();
  await world?.close();
});

async function asked(changes: Record<string, unknown> = {}) {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask({ authorization_details: [READ_THINGS], ...changes }))).body;
  return { agent, session_id, auth_req_id };
}
async function signIn(login: string, visitor: Approver): Promise<void> {
  const browser = new SsoBrowser(world, visitor);
  const page = await browser.comeBack(await provider.signIn(String(await browser.begin()), login));
  expect([login, page.status]).toEqual([login, 303]);
}
/** Lee's browser at the link that breaking the glass answered. */
async function broken(session_id: string): Promise<Approver> {
  const use = { session_id, person: LEE, reason: "production is down" };
  const { body } = await world.broker.admin("POST", "/admin/break-glass", use);
  return new Approver(world.issuer, String(body["link"]).split("#")[1] ?? "");
}
const receiptOf = (session_id: string) =>
  until("the receipt", async () => {
    const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session_id}/receipt`);
    return status === 200 ? String(body["receipt"]) : undefined;
  });
async function verified(receipt: string): Promise<string> {
  const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
  const result = await verifyReceipt(receipt, jwks);
  expect(result).toMatchObject({ ok: true });
  return JSON.stringify(result);
}
const revoke = (session_id: string) => world.broker.admin("POST", `/admin/sessions/${session_id}/revoke`, {});
const inboxOf = async (visitor: Approver) => (await visitor.post("/inbox/view", {})).html;

describe("W02 standing in where a sign-in is demanded", () => {
  it("finds it in the inbox, and takes the delegate's own sign-in, not that of who is away", async () => {
    const { agent, session_id, auth_req_id } = await asked();
    const dana = await Approver.bySlack(world, "dana", session_id);
    const { html } = await dana.view();
    expect(html).toContain("You decide in the place of");
    expect(html).toContain("Approving this needs a sign-in.");
    await dana.review();
    expect((await dana.decide("approve")).status).toBe(403);

    const withKims = new Approver(world.issuer, dana.token);
    await signIn("kim", withKims);
    expect((await withKims.view()).status).toBe(403);
    expect((await withKims.post("/approve/decide", { token: dana.token, decision: "deny" })).status).toBe(403);

    await signIn("dana", dana);
    expect(await inboxOf(dana)).toContain(`value="${session_id}"`);
    await dana.view();
    await dana.review();
    expect((await dana.decide("approve")).status).toBe(200);
    tokenOf(await agent.poll(auth_req_id));
    await revoke(session_id);
    const receipt = await receiptOf(session_id);
    expect(claimsOf(receipt)["decision"]).toMatchObject({
      person: "dana@acme.example",
      on_behalf_of: KIM,
      assurance: "sso",
      sign_in: { issuer: provider.issuer, subject: "u-dana" },
    });
    expect(await verified(receipt)).toContain(`signed in at ${provider.issuer} as u-dana`);

    const forger = await newClientKey("forger");
    const { decision } = claimsOf(receipt) as { decision: object };
    const forged = async (changes: object) => {
      const header = { alg: "ES256", typ: "stint-receipt+jwt", kid: "forger" };
      const claims = { ...claimsOf(receipt), decision: { ...decision, ...changes } };
      return (await verifyReceipt(await signRaw(header, claims, forger.privateJwk), { keys: [forger.publicJwk] })).ok;
    };
    expect(await forged({})).toBe(true);
    expect(await forged({ sign_in: undefined })).toBe(false);
    for (const assurance of ["passkey", "sso+passkey", "nobody knows", undefined])
      expect([assurance, await forged({ assurance })]).toEqual([assurance, false]);
  });
});

describe("A25 asking for more where a sign-in is demanded", () => {
  it("is decided by a sign-in of its own, in the place of whom it would be", async () => {
    const { agent, session_id, auth_req_id } = await asked();
    const first = await Approver.bySlack(world, "dana", session_id);
    await signIn("dana", first);
    await first.approve();
    const token = tokenOf(await agent.poll(auth_req_id));
    const more = await agent.call(token, "POST", `/sessions/${session_id}/grants`, {
      authorization_details: [WRITE_THINGS],
    });
    expect(more.status).toBe(202);
    const dana = await Approver.bySlack(world, "dana", String(more.body["request_id"]));
    expect((await dana.view()).html).toContain("Approving this needs a sign-in.");
    await dana.review();
    expect((await dana.decide("approve")).status).toBe(403);
    await signIn("dana", dana);
    await dana.view();
    await dana.review();
    expect((await dana.decide("approve")).status).toBe(200);
    await until("it to be granted", async () => {
      const { body } = await agent.call(token, "GET", `/sessions/${session_id}`);
      return (body["step_up"] as Record<string, unknown>)["status"] === "approved" ? true : undefined;
    });
    await revoke(session_id);
    const receipt = await receiptOf(session_id);
    const said = { assurance: "sso", on_behalf_of: KIM, sign_in: { subject: "u-dana" } };
    expect(claimsOf(receipt)).toMatchObject({ decision: said, earlier: [{ decision: said }] });
    await verified(receipt);
  });
});

describe("W06 breaking the glass where a sign-in is demanded", () => {
  it("wants it besides the passkey, as an admin whom the provider's groups bear out", async () => {
    const { session_id } = await asked();
    const admin = await broken(session_id);
    expect((await admin.view()).html).toContain("Approving this needs a sign-in.");
    await admin.review();
    expect((await admin.sign(lee)).status).toBe(403);
    // An approver's group is no admin's, though Lee holds both roles here.
    provider.accounts.set("lee", { sub: "u-lee", groups: ["approvers"], acr: "urn:example:mfa" });
    await signIn("lee", admin);
    expect((await admin.view()).html).toContain("Approving this needs a sign-in.");
    await admin.review();
    expect((await admin.sign(lee)).status).toBe(403);

    provider.accounts.set("lee", { sub: "u-lee", groups: ["admins"], acr: "urn:example:mfa" });
    const again = new Approver(world.issuer, admin.token);
    await signIn("lee", again);
    expect((await again.view()).html).toContain("Review and approve");
    await again.review();
    expect((await again.decide("approve")).status).toBe(403);
    expect((await again.sign(lee)).status).toBe(200);

    await revoke(session_id);
    const receipt = await receiptOf(session_id);
    expect(claimsOf(receipt)["decision"]).toMatchObject({
      person: LEE,
      break_glass: "production is down",
      assurance: "sso+passkey",
      sign_in: { subject: "u-lee" },
    });
    expect(await verified(receipt)).toContain("breaking the glass");

    // Its review waits in the inbox of who was asked, and of nobody else.
    expect(await inboxOf(again)).not.toContain(`value="${session_id}"`);
    const dana = new Approver(world.issuer, "");
    await signIn("dana", dana);
    const [, reviews = ""] = (await inboxOf(dana)).split("Decided by an admin alone");
    expect(reviews).toContain(`value="${session_id}"`);
    const csrf = /name="csrf" value="([^"]+)"/.exec(reviews)?.[1] ?? "";
    const opened = await dana.post("/inbox/open", { session: session_id, csrf });
    const token = /name="token" value="([^"]+)"/.exec(opened.html)?.[1] ?? "";
    expect(opened.html).toContain('action="/approve/watch"');
    expect((await dana.post("/approve/watch", { token })).html).toContain("production is down");
    const review = new Approver(world.issuer, token, dana.cookies.header);
    const page = await review.post("/approve/watch", { token });
    const own = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? "";
    const reviewed = await review.post("/approve/reviewed", { token, csrf: own, comment: "It was needed" });
    expect(reviewed.status).toBe(200);
    expect(await inboxOf(dana)).not.toContain("Decided by an admin alone");
  });

  it("P18 stays within the limits of the policy, whatever the admin's browser sends", async () => {
    provider.accounts.set("lee", { sub: "u-lee", groups: ["admins"], acr: "urn:example:mfa" });
    const { agent, session_id, auth_req_id } = await asked();
    const admin = await broken(session_id);
    await signIn("lee", admin);
    await admin.view();
    const { html } = await admin.review(() => true, undefined, { "limit.echo.calls": "500" });
    const grant = /name="grant" value="([^"]*)"/.exec(html)?.[1]?.replaceAll("&quot;", '"') ?? "";
    expect(grant).toContain('"limits":{"calls":5}');
    const wider = grant.replace('"calls":5', '"calls":500');
    expect((await admin.sign(lee, {}, { grant: wider })).status).toBe(409);
    expect((await admin.sign(lee)).status).toBe(200);
    const token = tokenOf(await agent.poll(auth_req_id));
    const { body } = await agent.call(token, "GET", `/sessions/${session_id}`);
    expect(JSON.stringify(body["usage"])).toContain('"left":{"calls":5}');
    await revoke(session_id);
  });
});

describe("W03 the owner of an upstream, where a sign-in is demanded", () => {
  it("decides by their own sign-in alone, and no longer when another owns it", async () => {
    const document = (await world.broker.admin("GET", "/admin/tenant")).body["document"] as {
      policies: object[];
      upstreams: { id: string }[];
    };
    const owned = (owner: string) => ({
      ...document,
      upstreams: document.upstreams.map((upstream) => ({ ...upstream, ...(upstream.id === "echo" ? { owner } : {}) })),
      policies: document.policies.map((policy) => ({ ...policy, approvers: ["owner:upstream"] })),
    });
    await world.broker.admin("POST", "/admin/tenant", owned("dana@acme.example"));
    const [one, other] = [await asked(), await asked()];
    const dana = await Approver.bySlack(world, "dana", one.session_id);
    expect((await dana.view()).html).toContain("Approving this needs a sign-in.");
    const withSams = new Approver(world.issuer, dana.token);
    await signIn("sam", withSams);
    expect((await withSams.view()).status).toBe(403);
    await signIn("dana", dana);
    expect((await dana.approve()).status).toBe(200);

    const late = await Approver.bySlack(world, "dana", other.session_id, dana.cookies.header);
    await world.broker.admin("POST", "/admin/tenant", owned("sam@acme.example"));
    expect((await late.view()).status).toBe(403);
    expect((await late.post("/approve/decide", { token: late.token, decision: "approve" })).status).toBe(403);
    await world.broker.admin("POST", "/admin/tenant", document);
  });
});

describe("A25 rules that ask for a sign-in here and a passkey there", () => {
  it("ask for both of what both fit, and neither stands for the other", async () => {
    const document = (await world.broker.admin("GET", "/admin/tenant")).body["document"] as { policies: object[] };
    const assurance = [{ level: "sso" }, { level: "passkey", access: "write" }];
    const policies = document.policies.map((policy) => ({ ...policy, approvers: ["dana@acme.example"], assurance }));
    expect((await world.broker.admin("POST", "/admin/tenant", { ...document, policies })).status).toBe(200);
    const dana = await enrolled(world, "dana@acme.example");

    const { session_id } = await asked({ authorization_details: [READ_THINGS, WRITE_THINGS] });
    const byPasskey = await Approver.bySlack(world, "dana", session_id);
    await byPasskey.view();
    await byPasskey.review();
    expect((await byPasskey.sign(dana)).status).toBe(403);
    await signIn("dana", byPasskey);
    await byPasskey.view();
    await byPasskey.review();
    expect((await byPasskey.decide("approve")).status).toBe(403);
    expect((await byPasskey.sign(dana)).status).toBe(200);

    const reading = await Approver.bySlack(world, "dana", (await asked()).session_id);
    await signIn("dana", reading);
    expect((await reading.approve()).status).toBe(200);
    await world.broker.admin("POST", "/admin/tenant", document);
  });
});
