import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf, readFields, type Page } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { SoftAuthenticator } from "./support/authenticator.ts";
import { enrolled, invitation, Invited, signedInByPasskey } from "./support/invited.ts";
import { startLinkingWorld } from "./support/linking-world.ts";
import type { NotesCompany } from "./support/notes-account.ts";
import { approvedSession, ask, type TestWorld } from "./support/world.ts";

const DANA = "dana@acme.example";
const MAX = "max@acme.example";
const SAM = "sam@acme.example";

let world: TestWorld;
let company: NotesCompany;
beforeAll(async () => {
  ({ world, company } = await startLinkingWorld());
});
afterAll(async () => {
  await company?.close();
  await world?.close();
});

/** Applies the document, without somebody or with all; answers what the operator is warned of. */
async function apply(without?: string): Promise<string> {
  const { people } = world.document as { people: { id: string }[] };
  const left = people.filter(({ id }) => id !== without);
  const document = { ...world.document, people: left };
  const { status, body } = await world.broker.admin("POST", "/admin/tenant", document);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return JSON.stringify(body["warnings"]);
}

/** Signs in with a passkey, in a browser of its own. */
async function signIn(passkey: SoftAuthenticator): Promise<{ visitor: Approver; page: Page }> {
  const visitor = new Approver(world.issuer, "");
  const { nonce, publicKey } = JSON.parse((await visitor.post("/sign-in/challenge", {})).html) as {
    nonce: string;
    publicKey: { challenge: string };
  };
  const userHandle = createHash("sha256").update(`${world.issuer} ${DANA}`).digest("base64url");
  const credential = passkey.get(publicKey.challenge, { userHandle });
  return { visitor, page: await visitor.post("/sign-in/passkey", { nonce, credential }) };
}

async function linkNotes(visitor: Approver, login = "dana-at-notes"): Promise<Page> {
  const csrf = readFields((await visitor.post("/accounts/view", {})).html).get("csrf") ?? "";
  const { location } = await visitor.post("/accounts/link", { upstream: "notes", csrf });
  const html = await (await fetch(await company.signIn(String(location), login))).text();
  return visitor.post("/accounts/finish", Object.fromEntries(readFields(html)));
}

const stored = async (what: "passkeys" | "accounts", person = DANA): Promise<unknown[]> =>
  ((await world.broker.admin("GET", `/admin/people/${person}/${what}`)).body[what] ?? []) as unknown[];

const SIGN_IN = "<title>Sign in";
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();

describe("a person who leaves the document (W08)", () => {
  it("W08 can do nothing more, and neither can whoever is given their id later with what they had", async () => {
    const passkey = await enrolled(world, DANA);
    const { visitor } = await signIn(passkey);
    expect((await linkNotes(visitor)).status).toBe(200);
    const open = await invitation(world, DANA);
    const away = { from: inHours(0), until: inHours(24) };
    for (const [person, delegate] of [
      [DANA, SAM],
      [SAM, DANA],
    ] as const)
      expect((await world.broker.admin("PUT", `/admin/people/${person}/away`, { ...away, delegate })).status).toBe(200);
    await world.broker.admin("DELETE", `/admin/people/${DANA}/away`);
    const working = await approvedSession(world);
    const watching = await Approver.bySlack(world, "dana", working.sessionId);
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    const waiting = await Approver.bySlack(world, "dana", session_id);
    await waiting.view();
    await waiting.review();
    const digest = claimsOf(waiting.token)["request_digest"] as string;
    expect((await visitor.post("/inbox/view", {})).html).toContain("At work, approved by you");

    /** What was theirs, tried in every way; each has to come to nothing. */
    const tried = async () => [
      (await signIn(passkey)).page.status,
      (await visitor.post("/inbox/view", {})).html.includes(SIGN_IN),
      (await visitor.post("/inbox/away/view", {})).html.includes(SIGN_IN),
      (await visitor.post("/accounts/view", {})).html.includes(SIGN_IN),
      (await waiting.decide("approve")).status,
      (await waiting.decide("deny", { digest })).status,
      (await waiting.view()).status,
      (await watching.post("/approve/watch", { token: watching.token })).status,
      (await watching.post("/approve/end", { token: watching.token })).status,
      (await new Invited(world, open).view()).status,
    ];
    const nothing = [403, true, true, true, 403, 403, 403, 403, 403, 404];

    expect(await apply(DANA)).toContain(`${DANA} leaves: their passkeys`);
    expect(await tried()).toEqual(nothing);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });

    expect(await apply()).toContain(`${DANA} was here before and left`);
    expect(await tried()).toEqual(nothing);
    await until("what they had to be ended", async () => (await stored("accounts")).length === 0 || undefined);
    expect(await stored("passkeys")).toEqual([]);
    const logged = async () => (await auditRows(world)).map(({ source, type, data }) => `${source} ${type} ${data}`);
    for (const row of [
      `tenant person.left ${JSON.stringify({ id: DANA })}`,
      `person:${DANA} passkey.revoked ${JSON.stringify({ credential_id: passkey.id })}`,
      `person:${DANA} account.unlinked ${JSON.stringify({ by: "operator", upstream: "notes" })}`,
      // Nobody whom Sam did not choose stands in for Sam.
      `tenant person.back ${JSON.stringify({ by: "operator", person: SAM })}`,
    ])
      await until(row, async () => (await logged()).includes(row) || undefined);

    // Whoever has the id now begins anew, with a passkey that decides from its first moment.
    const fresh = await until("an invitation that is not of the moment they left", async () =>
      world.broker
        .admin("POST", `/admin/people/${DANA}/invite`, {})
        .then(({ status, body }) => (status === 200 ? String(body["link"]).split("#")[1] : undefined)),
    );
    const successor = new SoftAuthenticator(world.issuer);
    expect((await new Invited(world, fresh).make(successor)).status).toBe(200);
    const { visitor: newcomer, page } = await signIn(successor);
    expect(page.location).toBe("/inbox");
    const { html } = await newcomer.post("/inbox/view", {});
    expect(html).toContain("Nothing waits for you");
    expect(html).not.toContain("At work");
    expect(await tried()).toEqual(nothing);
  });

  it("W08 leaves nothing at work in their name, not even with what their successor links", async () => {
    expect((await linkNotes(await signedInByPasskey(world, MAX), "max-at-notes")).status).toBe(200);
    const notes = { type: "upstream_access", upstream: "notes", actions: ["notes:read"] };
    const session = await approvedSession(world, { authorization_details: [notes], user: MAX });
    const token = await session.proxyToken("notes");
    const call = async () => (await session.agent.call(token, "GET", "/proxy/notes/notes")).status;
    expect(await call()).toBe(200);
    await apply(MAX);
    expect(await call()).toBe(401);
    await apply();
    const successor = await until("an invitation that is not of the moment they left", () =>
      signedInByPasskey(world, MAX).catch(() => undefined),
    );
    expect((await linkNotes(successor, "another-max")).status).toBe(200);
    expect(await call()).toBe(401);
    expect((await session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/notes`)).status).toBe(400);
  });
});
