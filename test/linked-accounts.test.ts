import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf, readFields, type Page } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { signedInByPasskey } from "./support/invited.ts";
import { startLinkingWorld } from "./support/linking-world.ts";
import type { NotesCompany } from "./support/notes-account.ts";
import { approvedSession, ask, type TestWorld } from "./support/world.ts";

const SAM = "sam@acme.example";
let company: NotesCompany;
let world: TestWorld;
/** A browser in which Sam is signed in. */
let sam: Approver;
beforeAll(async () => {
  ({ world, company } = await startLinkingWorld());
  sam = await signedInByPasskey(world, SAM);
});
afterAll(async () => {
  await company?.close();
  await world?.close();
});
beforeEach(() => {
  company.consent.scopes = undefined;
  company.served.length = 0;
  company.asked.length = 0;
});

const see = (visitor = sam): Promise<Page> => visitor.post("/accounts/view", {});

/** Presses a button of the accounts page. */
async function press(action: "link" | "unlink", upstream = "notes", visitor = sam): Promise<Page> {
  const { html } = await see(visitor);
  const csrf = readFields(html).get("csrf") ?? "";
  return visitor.post(`/accounts/${action}`, { upstream, csrf });
}

/** Begins to link; answers where the upstream's server is to be asked. */
async function begin(upstream = "notes", visitor = sam): Promise<URL> {
  const page = await press("link", upstream, visitor);
  if (page.location === null) throw new Error(page.html);
  return new URL(page.location);
}

/** Opens the address that the browser was sent back to, and posts what that page holds. */
async function comeBack(address: URL | string, visitor = sam): Promise<Page> {
  const html = await (await fetch(address)).text();
  return visitor.post("/accounts/finish", Object.fromEntries(readFields(html)));
}

async function link(upstream = "notes", visitor = sam, login = "sam-at-notes"): Promise<Page> {
  return comeBack(await company.signIn(String(await begin(upstream, visitor)), login), visitor);
}

const access = (actions: string[], upstream = "notes") => ({
  authorization_details: [{ type: "upstream_access", upstream, actions }],
  user: SAM,
});

/** An approved session that works for Sam, with his notes. */
async function atWork(actions = ["notes:read"], upstream = "notes") {
  const session = await approvedSession(world, access(actions, upstream));
  const token = await session.proxyToken(upstream);
  return {
    ...session,
    call: (method = "GET") =>
      session.agent.call(token, method, `/proxy/${upstream}/notes`, method === "GET" ? undefined : {}),
  };
}

const rows = async (type: string) => (await auditRows(world)).filter((row) => row.type === type);

describe("linking an account (group V)", () => {
  it("is offered to whoever is signed in, and to nobody else", async () => {
    expect((await see(new Approver(world.issuer, ""))).html).toContain("Sign in");
    const { html } = await see();
    expect(html).toContain("Linked accounts");
    expect(html).toContain("Read notes");
    expect((await sam.post("/inbox/view", {})).html).toContain('href="/accounts"');
  });

  it("is needed before a session can work with it, and says where", async () => {
    const agent = await world.freshAgent();
    expect((await agent.ask(ask(access(["notes:read"])))).body).toMatchObject({ error: "account_not_linked" });
    const { user: _, ...nobody } = access(["notes:read"]);
    expect((await agent.ask(ask(nobody))).body).toMatchObject({
      error: "invalid_request",
      error_description: expect.stringContaining("/user") as string,
    });
  });

  it("goes by a code with PKCE to an address of this upstream alone, and lends by what the person consented to", async () => {
    const address = await begin();
    expect(Object.fromEntries(address.searchParams)).toMatchObject({
      response_type: "code",
      client_id: "stint",
      redirect_uri: `${world.issuer}/accounts/callback/notes`,
      scope: "notes.read notes.write offline_access",
      code_challenge_method: "S256",
      prompt: "consent",
    });
    const page = await comeBack(await company.signIn(String(address), "sam-at-notes"));
    expect([page.status, page.html.includes("Linked")]).toEqual([200, true]);
    expect((await see()).html).toContain("Linked.");
    const session = await atWork();
    expect((await session.call()).status).toBe(200);
    expect(company.served).toEqual(["sam-at-notes"]);
    expect(company.asked.at(-1)).toMatchObject({ path: "/token", form: { scope: "notes.read" } });
    const linked = await until("the record", async () => (await rows("account.linked"))[0]);
    expect(linked.source).toBe(`person:${SAM}`);
  });

  it("tells the approver whose account it is", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask(access(["notes:read"])))).body;
    const { html } = await (await Approver.bySlack(world, "dana", session_id)).view();
    expect(html).toContain("With their account at");
  });

  it("V01 is finished only by who began, in the browser where they did", async () => {
    const mallory = await signedInByPasskey(world, "dana@acme.example");
    const back = await company.signIn(String(await begin("notes", mallory)), "mallory-at-notes");
    expect((await comeBack(back)).status).toBe(403);
    expect((await comeBack(back, new Approver(world.issuer, ""))).status).toBe(403);
    const otherBrowser = await signedInByPasskey(world, "dana@acme.example");
    expect((await comeBack(back, otherBrowser)).status).toBe(403);
    const session = await atWork();
    await session.call();
    expect(company.served).toEqual(["sam-at-notes"]);
  });

  it("V02 refuses an answer that belongs to another upstream, before anything is sent to anybody", async () => {
    const back = await company.signIn(String(await begin("notes")), "sam-at-notes");
    const mixed = new URL(back);
    mixed.pathname = "/accounts/callback/other.notes";
    company.asked.length = 0;
    expect((await comeBack(mixed)).status).toBe(400);
    mixed.pathname = "/accounts/callback/nowhere";
    expect((await comeBack(mixed)).status).toBe(403);
    expect(company.asked).toEqual([]);
  });

  it.each([
    ["V03 another issuer", (answer: URLSearchParams) => answer.set("iss", "https://evil.example")],
    ["V03 an issuer with a slash", (answer: URLSearchParams) => answer.set("iss", `${company.issuer}/`)],
    ["V03 no issuer, of a server that names itself", (answer: URLSearchParams) => answer.delete("iss")],
    ["V03 two issuers", (answer: URLSearchParams) => answer.append("iss", company.issuer)],
    ["V04 a code that is another's", (answer: URLSearchParams) => answer.set("code", "a-code-of-elsewhere")],
    ["no code", (answer: URLSearchParams) => answer.delete("code")],
    ["two codes", (answer: URLSearchParams) => answer.append("code", "x")],
    ["a token beside the code", (answer: URLSearchParams) => answer.set("id_token", "x")],
    ["an error", (answer: URLSearchParams) => answer.set("error", "access_denied")],
  ])("refuses %s", async (_, change) => {
    const before = (await rows("account.linked")).length;
    const back = await company.signIn(String(await begin()), "sam-at-notes");
    const answer = new URLSearchParams(back.search);
    change(answer);
    back.search = answer.toString();
    expect((await comeBack(back)).status).toBe(403);
    expect(await rows("account.linked")).toHaveLength(before);
  });

  it("is finished once, only with its own state, and not by a GET", async () => {
    const before = (await rows("account.linked")).length;
    const back = await company.signIn(String(await begin()), "sam-at-notes");
    for (let at = 0; at < 3; at += 1) await fetch(back);
    for (const state of ["", "notes", "notes~", `${back.searchParams.get("state") ?? ""}x`]) {
      const bent = new URL(back);
      bent.searchParams.set("state", state);
      expect((await comeBack(bent)).status).toBe(403);
    }
    const pages = await Promise.all(Array.from({ length: 5 }, () => comeBack(back)));
    expect(pages.map(({ status }) => status).filter((status) => status !== 403)).toEqual([200]);
    await until("the record", async () => ((await rows("account.linked")).length > before ? true : undefined));
    expect(await rows("account.linked")).toHaveLength(before + 1);
  });

  it("takes no form of another site's, without its token, or for what is not linkable", async () => {
    const csrf = readFields((await see()).html).get("csrf") ?? "";
    for (const path of ["/accounts/link", "/accounts/unlink"]) {
      expect((await sam.post(path, { upstream: "notes" })).status).toBe(403);
      expect((await sam.post(path, { upstream: "notes", csrf: `${csrf}x` })).status).toBe(403);
      expect((await sam.post(path, { upstream: "github", csrf })).status).toBe(403);
      expect((await sam.post(path, { upstream: "../notes", csrf })).status).toBe(403);
      const evil = await fetch(`${world.issuer}${path}`, {
        method: "POST",
        headers: { origin: "https://evil.example", cookie: sam.cookies.header },
        body: new URLSearchParams({ upstream: "notes", csrf }),
      });
      expect(evil.status).toBe(403);
    }
    expect((await see()).html).toContain("Linked.");
  });

  it("says so when the person says no there", async () => {
    const page = await comeBack(await company.signIn(String(await begin()), ""));
    expect([page.status, page.html.includes("Nothing was linked")]).toEqual([403, true]);
    expect((await see()).html).toContain("Linked.");
  });

  it("V07 keeps what was consented to, and refuses use beyond", async () => {
    company.consent.scopes = ["notes.read", "offline_access"];
    expect((await link()).status).toBe(200);
    const session = await atWork(["notes:read", "notes:write"]);
    expect((await session.call()).status).toBe(200);
    expect((await session.call("POST")).body).toMatchObject({ error: "access_denied", reason: "upstream_withheld" });
    expect(company.served).toEqual(["sam-at-notes"]);
  });

  it("says so when the access would not last", async () => {
    company.consent.scopes = ["notes.read"];
    const page = await link("other.notes");
    expect([page.status, page.html.includes("no lasting access")]).toEqual([403, true]);
  });
});

describe("the tokens of a linked account", () => {
  it("are drawn one after the other, each successor kept, whoever asks", async () => {
    await link();
    const sessions = await Promise.all([1, 2, 3].map(() => atWork()));
    company.asked.length = 0;
    const answers = await Promise.all(sessions.map((session) => session.call()));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const used = company.asked.map(({ form }) => form["refresh_token"]);
    expect([used.length, new Set(used).size]).toEqual([3, 3]);
  });

  it("lend to no session that works for somebody else, or for nobody", async () => {
    const agent = await world.freshAgent();
    const other = { ...access(["notes:read"]), user: "dana@acme.example" };
    // Who it works for may not approve it, so Dana's own approval is no way in either.
    expect((await agent.ask(ask(other))).body).toMatchObject({ error: "access_denied" });
    const max = { ...other, user: "max@acme.example" };
    expect((await agent.ask(ask(max))).body).toMatchObject({ error: "account_not_linked" });
    expect((await agent.ask(ask({ ...other, user: "nobody@acme.example" }))).body).toMatchObject({
      error: "unknown_user_id",
    });
  });

  it("V08 mark the account broken when an answer was lost, tell its owner once, and try nothing again", async () => {
    await link();
    const session = await atWork();
    company.dropNextTokenAnswer();
    company.asked.length = 0;
    expect((await session.call()).status).toBe(502);
    expect((await session.call()).body).toMatchObject({ error: "upstream_broken" });
    expect((await session.call()).body).toMatchObject({ error: "upstream_broken" });
    expect(company.asked).toHaveLength(1);
    expect((await see()).html).toContain("Not usable");
    const mails = await until("the owner's mail", async () => {
      const found = (await world.emulators.mails()).filter(({ subject }) => subject.includes("no longer linked"));
      return found.length > 0 ? found : undefined;
    });
    expect(mails).toHaveLength(1);
    expect(mails[0]?.to).toContain(SAM);
    expect((await link()).status).toBe(200);
    expect((await (await atWork()).call()).status).toBe(200);
  });

  it("V10 are gone when it is unlinked: here at once, at the upstream, and from sessions at work", async () => {
    await link();
    const session = await atWork();
    expect((await session.call()).status).toBe(200);
    company.asked.length = 0;
    expect((await press("unlink")).status).toBe(200);
    expect((await see()).html).toContain("Not linked.");
    await until("no more calls", async () => ((await session.call()).status === 403 ? true : undefined));
    expect((await session.call()).body).toMatchObject({ error: "access_denied", reason: "account_not_linked" });
    await until("the revocations", async () => {
      const hints = company.asked
        .filter(({ path }) => path === "/token/revocation")
        .map(({ form }) => form["token_type_hint"]);
      return hints.includes("refresh_token") && hints.includes("access_token") ? true : undefined;
    });
    expect((await press("unlink")).status).toBe(403);
    const unlinked = await until("the record", async () => (await rows("account.unlinked"))[0]);
    expect(unlinked.data).toContain(SAM);
  });

  it("take back what was linked before, when it is linked anew", async () => {
    await link();
    company.asked.length = 0;
    await link("notes", sam, "sam-the-second");
    await until("the revocation", async () =>
      company.asked.some(
        ({ path, form }) => path === "/token/revocation" && form["token_type_hint"] === "refresh_token",
      )
        ? true
        : undefined,
    );
    await (await atWork()).call();
    expect(company.served.at(-1)).toBe("sam-the-second");
  });

  it("are listed for an admin without themselves, and can be taken away by one", async () => {
    await link();
    const path = `/admin/people/${SAM}/accounts`;
    const { body } = await world.broker.admin("GET", path);
    expect(body["accounts"]).toEqual([
      { upstream: "notes", scope: "notes.read notes.write offline_access", linked_at: expect.any(Number) as number },
    ]);
    expect((await world.broker.admin("POST", `${path}/notes/unlink`, {})).status).toBe(200);
    expect((await world.broker.admin("POST", `${path}/notes/unlink`, {})).status).toBe(404);
    expect((await see()).html).toContain("Not linked.");
    const row = await until("the record", async () =>
      (await rows("account.unlinked")).find(({ data }) => data.includes("operator")),
    );
    expect(row.source).toBe(`person:${SAM}`);
  });

  it("lend more of the same account when a session asks for more, and ask again whether it is linked", async () => {
    await link();
    const session = await atWork();
    expect((await session.call()).status).toBe(200);
    expect((await session.call("POST")).status).toBe(403);
    const askMore = (upstream: string) =>
      session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/grants`, {
        authorization_details: [{ type: "upstream_access", upstream, actions: ["notes:write"] }],
      });
    expect((await askMore("other.notes")).body).toMatchObject({ error: "account_not_linked" });
    const asked = await askMore("notes");
    expect(asked.status).toBe(202);
    const approver = await Approver.bySlack(world, "dana", String(asked.body["request_id"]));
    expect((await approver.view()).html).toContain("With their account at");
    await approver.review();
    expect((await approver.decide("approve")).status).toBe(200);
    const token = await until("a token that may write", async () => {
      const fresh = await session.proxyToken("notes");
      return JSON.stringify(claimsOf(fresh)).includes("notes:write") ? fresh : undefined;
    });
    company.asked.length = 0;
    expect((await session.agent.call(token, "POST", "/proxy/notes/notes", {})).status).toBe(200);
    expect(company.served.at(-1)).toBe("sam-at-notes");
    // What was made for less is not used for more.
    expect(company.asked.at(-1)).toMatchObject({ path: "/token", form: { scope: "notes.read notes.write" } });
    await press("unlink");
    expect((await askMore("notes")).status).not.toBe(202);
    expect((await session.agent.call(token, "POST", "/proxy/notes/notes", {})).status).not.toBe(200);
  });

  it("are written readable into no answer, log or row", async () => {
    const tokens = company.asked.flatMap(({ form }) => form["refresh_token"] ?? []);
    const { html } = await see();
    const log = JSON.stringify(await auditRows(world));
    for (const token of tokens) expect([html.includes(token), log.includes(token)]).toEqual([false, false]);
  });
});
