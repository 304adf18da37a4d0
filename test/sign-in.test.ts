import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import type { IdentityProviderHost } from "./support/identity-provider.ts";
import { enrolled, signedInByPasskey } from "./support/invited.ts";
import { SsoBrowser } from "./support/sso-browser.ts";
import { startSsoWorld } from "./support/sso-world.ts";
import { ask, READ_API, WRITE_API, type TestWorld } from "./support/world.ts";

const PERSON = "stint_person";

let world: TestWorld;
let provider: IdentityProviderHost;
beforeAll(async () => {
  ({ world, provider } = await startSsoWorld());
});
afterAll(async () => {
  await provider?.close();
  await world?.close();
});

/** A browser in which somebody has signed in. */
async function signedIn(login: string, visitor?: Approver): Promise<SsoBrowser> {
  const browser = new SsoBrowser(world, visitor);
  const page = await browser.comeBack(await provider.signIn(String(await browser.begin()), login));
  expect([page.status, page.location]).toEqual([303, "/inbox"]);
  return browser;
}

async function requested(agent = world.freshAgent(), name: "dana" | "sam" = "dana") {
  const wanted = ask({ authorization_details: [READ_API, WRITE_API] });
  const { session_id } = (await (await agent).ask(wanted)).body;
  return { session_id, approver: await Approver.bySlack(world, name, session_id) };
}

describe("signing in at the identity provider (group S)", () => {
  it("leads to the inbox, by a code with PKCE that is asked for as the tenant says", async () => {
    const browser = new SsoBrowser(world);
    const address = await browser.begin();
    expect(Object.fromEntries(address.searchParams)).toMatchObject({
      response_type: "code",
      client_id: "stint",
      redirect_uri: `${world.issuer}/sign-in/callback`,
      code_challenge_method: "S256",
      max_age: "900",
      acr_values: "urn:example:mfa",
    });
    expect((await browser.inbox()).html).toContain("Sign in with");
    await browser.comeBack(await provider.signIn(String(address), "dana"));
    expect((await browser.inbox()).html).toContain("Deciding as <bdi>Dana</bdi>");
    const row = await until("the audit row", async () =>
      (await auditRows(world)).find(({ type }) => type === "person.signed_in"),
    );
    expect(JSON.parse(row.data)).toEqual({
      by: "sso",
      provider: provider.issuer,
      acr: "urn:example:mfa",
      roles: ["approver"],
    });
  });

  it("A24 is worth nothing in another browser than the one that began", async () => {
    const attacker = new SsoBrowser(world);
    const back = await provider.signIn(String(await attacker.begin()), "mallory");
    const victim = new SsoBrowser(world);
    expect((await victim.comeBack(back)).status).toBe(403);
    await victim.begin();
    const page = await victim.comeBack(back);
    expect([page.status, victim.visitor.cookies.get(PERSON)]).toEqual([403, undefined]);
  });

  it("A25 gives a browser a new id at every sign-in, and none that it brought", async () => {
    const planted = "sin_AAAAAAAAAAAAAAAAAAAAAA.dana%40acme.example";
    const visitor = new Approver(world.issuer, "", `${PERSON}=${planted}`);
    expect((await new SsoBrowser(world, visitor).inbox()).html).toContain("Sign in with");
    const first = (await signedIn("dana", visitor)).visitor.cookies.get(PERSON);
    const second = (await signedIn("dana", visitor)).visitor.cookies.get(PERSON);
    expect(new Set([planted, first, second]).size).toBe(3);
  });

  it("is finished once, and only while it is under way", async () => {
    const browser = new SsoBrowser(world);
    const back = await provider.signIn(String(await browser.begin()), "dana");
    expect((await browser.comeBack(back)).status).toBe(303);
    expect((await browser.comeBack(back)).status).toBe(403);
    expect((await browser.return({ code: "x", state: "inbox.1.x.y", iss: provider.issuer })).status).toBe(403);
    expect((await browser.return({})).status).toBe(403);
  });

  it.each<[string, (answer: URLSearchParams) => void]>([
    ["S03 the code of another sign-in", (answer) => answer.set("code", "x".repeat(43))],
    ["S04 no iss though it is advertised", (answer) => answer.delete("iss")],
    ["S04 the iss of somebody else", (answer) => answer.set("iss", "https://evil.example")],
    ["S08 an iss that differs by a slash", (answer) => answer.set("iss", `${provider.issuer}/`)],
    [
      "V02 a state that leads elsewhere",
      (answer) => answer.set("state", (answer.get("state") ?? "").replace("inbox", "approve")),
    ],
    ["a state twice", (answer) => answer.append("state", answer.get("state") ?? "")],
    ["a code twice", (answer) => answer.append("code", "x")],
    ["an error beside the code", (answer) => answer.set("error", "access_denied")],
    ["an answer in place of a code", (answer) => answer.set("response", "x.y.z")],
  ])("refuses %s, and signs nobody in", async (_, change) => {
    const browser = new SsoBrowser(world);
    const back = await provider.signIn(String(await browser.begin()), "dana");
    change(back.searchParams);
    const page = await browser.comeBack(back);
    expect([page.status, browser.visitor.cookies.get(PERSON)]).toEqual([403, undefined]);
  });

  it("takes somebody whom the provider refuses for nobody", async () => {
    const browser = new SsoBrowser(world);
    const page = await browser.comeBack(await provider.signIn(String(await browser.begin()), "nobody"));
    expect([page.status, browser.visitor.cookies.get(PERSON)]).toEqual([403, undefined]);
  });

  it("S09 knows a person by issuer and subject alone, and tells a stranger which they are", async () => {
    provider.accounts.set("twin", { sub: "dana@acme.example", groups: ["approvers"], acr: "urn:example:mfa" });
    const browser = new SsoBrowser(world);
    const page = await browser.comeBack(await provider.signIn(String(await browser.begin()), "twin"));
    expect([page.status, browser.visitor.cookies.get(PERSON)]).toEqual([403, undefined]);
    expect(page.html).toContain("<dd>dana@acme.example</dd>");
    expect(page.html).toContain(provider.issuer);
  });

  it("S11 refuses who was not looked at closely enough, and who is in none of the groups that a role needs", async () => {
    provider.accounts.set("dana-by-password", { sub: "u-dana", groups: ["approvers"], acr: "urn:example:password" });
    provider.accounts.set("dana-somehow", { sub: "u-dana", groups: ["approvers"] });
    provider.accounts.set("left-the-group", { sub: "u-max", groups: ["sales"], acr: "urn:example:mfa" });
    for (const login of ["dana-by-password", "dana-somehow", "left-the-group"]) {
      const browser = new SsoBrowser(world);
      const page = await browser.comeBack(await provider.signIn(String(await browser.begin()), login));
      expect([login, page.status, browser.visitor.cookies.get(PERSON)]).toEqual([login, 403, undefined]);
    }
    provider.accounts.delete("left-the-group");
  });

  it("S12 is nobody's session until it is finished: not when it has begun, not on the way back, not when it was worth too little", async () => {
    const signedOut = async (browser: SsoBrowser) => {
      expect((await browser.inbox()).html).toContain("Sign in with");
      expect(browser.visitor.cookies.get(PERSON)).toBeUndefined();
    };
    const browser = new SsoBrowser(world);
    const address = await browser.begin();
    await signedOut(browser);
    const back = await provider.signIn(String(address), "dana");
    await fetch(back, { headers: { cookie: browser.visitor.cookies.header } });
    await signedOut(browser);
    provider.accounts.set("dana-without-mfa", { sub: "u-dana", groups: ["approvers"], acr: "urn:example:password" });
    const weak = new SsoBrowser(world);
    expect((await weak.comeBack(await provider.signIn(String(await weak.begin()), "dana-without-mfa"))).status).toBe(
      403,
    );
    await signedOut(weak);
    expect((await browser.comeBack(back)).status).toBe(303);
  });

  it("changes nothing by GET: a scanner that opens the way back signs nobody in, and spoils nothing", async () => {
    const browser = new SsoBrowser(world);
    const back = await provider.signIn(String(await browser.begin()), "dana");
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      const answer = await fetch(back, { method, headers: { cookie: browser.visitor.cookies.header } });
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
    expect((await browser.comeBack(back)).status).toBe(303);
  });

  it("begins nothing for another site, and leads nowhere that a request names", async () => {
    const visitor = new Approver(world.issuer, "");
    const foreign = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    for (const path of ["/sign-in/sso", "/sign-in/finish", "/sign-in/challenge", "/sign-in/passkey", "/sign-out"])
      expect([path, (await visitor.post(path, { purpose: "inbox" }, foreign)).status]).toEqual([path, 403]);
    for (const purpose of ["", "console", "https://evil.example", "//evil.example", "constructor", "__proto__"])
      expect([purpose, (await visitor.post("/sign-in/sso", { purpose })).status]).toEqual([purpose, 403]);
  });

  it("ends when it is signed out, and when the person is cut off", async () => {
    provider.accounts.set("max", { sub: "u-max", groups: ["approvers"], acr: "urn:example:mfa" });
    const browser = await signedIn("max");
    const held = browser.visitor.cookies.header;
    expect((await browser.visitor.post("/sign-out", {})).status).toBe(200);
    const thief = new SsoBrowser(world, new Approver(world.issuer, "", held));
    expect((await thief.inbox()).html).toContain("Sign in with");
    const again = await signedIn("max");
    await world.broker.admin("POST", "/admin/people/max@acme.example/revoke", { reason: "lost laptop" });
    expect((await again.inbox()).html).toContain("Sign in with");
  });
});

describe("a sign-in whose ground is gone", () => {
  it("S09 ends with the identity: in no browser is somebody a person by what is not theirs any more", async () => {
    const dana = await signedIn("dana");
    expect((await dana.inbox()).html).toContain("<title>Inbox");
    const { people } = world.document as { people: { id: string; identities?: object[] }[] };
    const apply = (identities: object[]) =>
      world.broker.admin("POST", "/admin/tenant", {
        ...world.document,
        people: people.map((person) => (person.id === "dana@acme.example" ? { ...person, identities } : person)),
      });
    await apply([{ issuer: provider.issuer, subject: "another-dana" }]);
    expect((await dana.inbox()).html).toContain("Sign in with");
    expect((await dana.visitor.post("/inbox/away/view", {})).html).toContain("Sign in with");
    await apply([{ issuer: provider.issuer, subject: "u-dana" }]);
  });

  it("ends with the passkey: who came in by one that was stolen is out when it is taken away", async () => {
    const dana = "dana@acme.example";
    const [byPasskey, bySso] = [await signedInByPasskey(world, dana), await signedIn("dana")];
    expect((await byPasskey.post("/inbox/view", {})).html).toContain("<title>Inbox");
    const revoked = await world.broker.admin("POST", `/admin/people/${dana}/passkeys/revoke`, {});
    expect(revoked.body["revoked"]).toHaveLength(1);
    expect((await byPasskey.post("/inbox/view", {})).html).toContain("Sign in with");
    expect((await bySso.inbox()).html).toContain("<title>Inbox");
  });
});

describe("an approval that needs a sign-in", () => {
  it("A02 offers no approval without one, whatever posts its form, and takes a denial", async () => {
    const { approver } = await requested();
    const { html } = await approver.view();
    expect(html).toContain("Approving this needs a sign-in.");
    expect(html).not.toContain("Review and approve");
    await approver.review();
    expect((await approver.decide("approve")).status).toBe(403);
    expect((await (await requested()).approver.deny()).status).toBe(200);
  });

  it("takes it from whoever the link was written to, signed in here, and writes down who said so", async () => {
    const { session_id, approver } = await requested();
    await signedIn("dana", approver);
    const { html } = await approver.view();
    expect(html).toContain("Review and approve");
    await approver.review();
    expect((await approver.decide("approve")).status).toBe(200);
    await world.broker.admin("POST", `/admin/sessions/${String(session_id)}/revoke`, {});
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${String(session_id)}/receipt`);
      return status === 200 ? claimsOf(String(body["receipt"])) : undefined;
    });
    expect(receipt["decision"]).toMatchObject({
      person: "dana@acme.example",
      assurance: "sso",
      sign_in: { issuer: provider.issuer, subject: "u-dana", acr: "urn:example:mfa" },
    });
  });

  it("A10 A34 refuses a colleague who is signed in, shows them nothing, and writes it down", async () => {
    const { session_id, approver } = await requested();
    await signedIn("sam", approver);
    for (const path of ["/approve/view", "/approve/review", "/approve/decide", "/approve/watch", "/approve/end"]) {
      const page = await approver.post(path, { token: approver.token, decision: "deny" });
      expect([path, page.status, page.html.includes("A task")]).toEqual([path, 403, false]);
    }
    await until("the audit row", async () =>
      (await auditRows(world)).find(
        ({ source, type, data }) => source === session_id && type === "refused" && data.includes("wrong_person"),
      ),
    );
  });

  it("wants the sign-in fresh: one that is older than max_age is asked for again", async () => {
    const { approver } = await requested();
    await signedIn("dana", approver);
    expect((await approver.view()).html).toContain("Review and approve");
    const { document } = world;
    const apply = (sso: object) =>
      world.broker.admin("POST", "/admin/tenant", { ...document, sso: { ...(document["sso"] as object), ...sso } });
    await apply({ max_age: "1s" });
    await until("the sign-in is too old", async () =>
      (await approver.view()).html.includes("needs a sign-in") ? true : undefined,
    );
    await approver.review();
    expect((await approver.decide("approve")).status).toBe(403);
    await apply({});
    expect((await approver.view()).html).toContain("Review and approve");
    // Nor is it worth anything once the tenant trusts another provider, or asks for more.
    await apply({ acr_values: ["urn:example:hardware"] });
    expect((await approver.view()).html).toContain("needs a sign-in");
    await apply({});
  });

  it("takes both, where both are demanded, and neither alone", async () => {
    const sam = await enrolled(world, "sam@acme.example");
    const { approver } = await requested(world.otherAgent(), "sam");
    expect((await approver.view()).html).toContain("needs a sign-in");
    await approver.review();
    expect((await approver.sign(sam)).status).toBe(403);
    await signedIn("sam", approver);
    await approver.view();
    await approver.review();
    expect((await approver.decide("approve")).status).toBe(403);
    const approved = await approver.sign(sam);
    expect([approved.status, approved.html.includes("may now do this")]).toEqual([200, true]);
  });
});

describe("the inbox", () => {
  it("lists what waits for whoever is signed in, and leads to the page where it is decided", async () => {
    const { session_id, approver } = await requested();
    const { visitor, ...browser } = await signedIn("dana", new Approver(world.issuer, ""));
    void browser;
    const { html } = await visitor.post("/inbox/view", {});
    expect(html).toContain(`value="${String(session_id)}"`);
    const csrf = /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? "";
    const opened = await visitor.post("/inbox/open", { session: String(session_id), csrf });
    expect(opened.html).toContain('action="/approve/view"');
    const token = /name="token" value="([^"]+)"/.exec(opened.html)?.[1] ?? "";
    expect(claimsOf(token)).toEqual(claimsOf(approver.token));
    const mine = new Approver(world.issuer, token, visitor.cookies.header);
    expect((await mine.approve()).status).toBe(200);
    await until("it is at work", async () => {
      const [, working = ""] = (await visitor.post("/inbox/view", {})).html.split("At work, approved by you");
      return working.includes(`value="${String(session_id)}"`) ? true : undefined;
    });
    const watched = await visitor.post("/inbox/open", { session: String(session_id), csrf });
    expect(watched.html).toContain('action="/approve/watch"');
  });

  it("opens nothing for somebody else, without its own form, or by a guess", async () => {
    const { session_id } = await requested();
    const dana = await signedIn("dana");
    const csrf = /name="csrf" value="([^"]+)"/.exec((await dana.inbox()).html)?.[1] ?? "";
    const open = (visitor: Approver, fields: Record<string, string>, headers?: Record<string, string>) =>
      visitor
        .post("/inbox/open", { session: String(session_id), csrf, ...fields }, headers)
        .then(({ status }) => status);
    expect(await open(dana.visitor, { csrf: "x" })).toBe(403);
    expect(await open(dana.visitor, {}, { origin: "https://evil.example" })).toBe(403);
    expect(await open(dana.visitor, { session: "ses_x" })).toBe(404);
    expect(await open(dana.visitor, { session: `ses_${"A".repeat(22)}` })).toBe(404);
    expect(await open(new Approver(world.issuer, ""), {})).toBe(403);
    const { session_id: ofSam } = await requested(world.otherAgent(), "sam");
    expect((await dana.inbox()).html).not.toContain(String(ofSam));
    expect(await open(dana.visitor, { session: String(ofSam) })).toBe(404);
    expect(await open(dana.visitor, {})).toBe(200);
    provider.accounts.set("max", { sub: "u-max", groups: ["approvers"], acr: "urn:example:mfa" });
    expect((await (await signedIn("max")).inbox()).html).toContain("Nothing waits for you");
  });

  it("opens with a passkey as well: by this browser's challenge, once, and by nobody's copy", async () => {
    const sam = await enrolled(world, "sam@acme.example", { at_once: true });
    const userHandle = createHash("sha256").update(`${world.issuer} sam@acme.example`).digest("base64url");
    const visitor = new Approver(world.issuer, "");
    const challenge = async (post = visitor) =>
      JSON.parse((await post.post("/sign-in/challenge", {})).html) as {
        nonce: string;
        publicKey: { challenge: string; allowCredentials?: unknown[] };
      };
    const finish = (nonce: string, credential: string, post = visitor) =>
      post.post("/sign-in/passkey", { nonce, credential });
    const one = await challenge();
    expect(one.publicKey.allowCredentials ?? []).toEqual([]);
    const credential = sam.get(one.publicKey.challenge, { userHandle });
    const elsewhere = new Approver(world.issuer, "");
    await challenge(elsewhere);
    expect((await finish(one.nonce, credential, elsewhere)).status).toBe(403);
    expect((await finish(one.nonce, credential)).location).toBe("/inbox");
    expect((await finish(one.nonce, credential)).status).toBe(403);
    expect((await visitor.post("/inbox/view", {})).html).toContain("Deciding as <bdi>Sam</bdi>");
    for (const tweaks of [
      {},
      { userHandle: "AAAA" },
      { userHandle, flags: 1 },
      { userHandle, origin: "https://evil.example" },
      { userHandle, id: "AAAA" },
      { userHandle, counter: 1 },
      { userHandle, type: "webauthn.create" },
    ]) {
      const next = await challenge();
      const page = await finish(next.nonce, sam.get(next.publicKey.challenge, tweaks));
      expect([tweaks, page.status]).toEqual([tweaks, 403]);
    }
  });

  it("K18 takes a signature that signs in for no approval, and one that approves for no sign-in", async () => {
    const { approver } = await requested(world.otherAgent(), "sam");
    await signedIn("sam", approver);
    const sam = await enrolled(world, "sam@acme.example", { at_once: true });
    const userHandle = createHash("sha256").update(`${world.issuer} sam@acme.example`).digest("base64url");
    await approver.view();
    await approver.review();
    const approving = await approver.challenge();
    const visitor = new Approver(world.issuer, "", approver.cookies.header);
    const signing = JSON.parse((await visitor.post("/sign-in/challenge", {})).html) as {
      nonce: string;
      publicKey: { challenge: string };
    };
    const stolen = await visitor.post("/sign-in/passkey", {
      nonce: approving.nonce,
      credential: sam.get(approving.challenge, { userHandle }),
    });
    expect(stolen.status).toBe(403);
    const crossed = await approver.decide("approve", {
      nonce: signing.nonce,
      credential: sam.get(signing.publicKey.challenge),
    });
    expect(crossed.status).toBe(403);
  });
});
