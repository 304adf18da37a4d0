import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf, linksIn } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { SoftAuthenticator, type Tweaks } from "./support/authenticator.ts";
import { enrolled, invitation, Invited } from "./support/invited.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let dana: SoftAuthenticator;
let sam: SoftAuthenticator;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      people: [
        ...(document["people"] as object[]),
        ...["kim", "lee", "max", "pat", "ren"].map((name) => ({ id: `${name}@acme.example`, name })),
      ],
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, assurance: "passkey" })),
    }),
  });
  dana = await enrolled(world, "dana@acme.example");
  sam = await enrolled(world, "sam@acme.example");
});
afterAll(() => world?.close());

/** A fresh request, looked at up to the page that asks for the passkey. */
async function reviewed() {
  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask())).body;
  const approver = await Approver.bySlack(world, "dana", session_id);
  const { html: view } = await approver.view();
  const { html } = await approver.review();
  return { agent, session_id, auth_req_id, approver, view, html };
}

const passkeysOf = async (person: string) =>
  (await world.broker.admin("GET", `/admin/people/${person}/passkeys`)).body["passkeys"] as {
    credential_id: string;
    created_at: number;
    usable_from: number;
  }[];

describe("an approval by passkey", () => {
  it("signs exactly the grant that was shown, and its evidence goes into the receipt", async () => {
    const { agent, session_id, auth_req_id, approver, view, html } = await reviewed();
    expect(view).not.toContain("Only this link says");
    expect(html).toContain("with your passkey");
    const digest = /Digest of this grant <code>([^<]+)/.exec(html)?.[1];
    const decided = await approver.sign(dana);
    expect([decided.status, decided.html.includes("Approved")]).toEqual([200, true]);
    const token = tokenOf(await agent.poll(auth_req_id));
    expect(claimsOf(token)["grant_digest"]).toBe(digest);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session_id}`);
    expect(body["decision"]).toMatchObject({
      person: "dana@acme.example",
      assurance: "passkey",
      digest,
      evidence: { type: "passkey", credential_id: dana.id, statement: { grant_digest: digest, decision: "approve" } },
    });
  });

  it("A02 is asked for before it can be given: a link alone, opened by whatever runs its page, decides nothing", async () => {
    const { agent, auth_req_id, approver } = await reviewed();
    const decided = await approver.decide("approve");
    expect([decided.status, decided.html.includes("did not sign")]).toEqual([403, true]);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
  });

  it("A31 is never needed to deny", async () => {
    const { approver } = await reviewed();
    await approver.view();
    expect((await approver.decide("deny")).status).toBe(200);
  });

  it("A17 decides once, of fifty in parallel", async () => {
    const { approver } = await reviewed();
    const proofs = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const { nonce, challenge } = await approver.challenge();
        return { nonce, credential: dana.get(challenge) };
      }),
    );
    const pages = await Promise.all(proofs.map((proof) => approver.decide("approve", proof)));
    expect(pages.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(pages.every(({ status }) => [200, 403, 409].includes(status))).toBe(true);
  });

  it.each<[string, Tweaks]>([
    ["K04 the origin http", { origin: "http://evil.example" }],
    ["K04 a subdomain", { origin: "http://x.localhost" }],
    ["K04 another port", { origin: "http://localhost:1" }],
    ["K04 no origin", { origin: "" }],
    ["K05 another relying party", { rpId: "evil.example" }],
    ["K06 no user present", { flags: 4 + 8 + 16 }],
    ["K06 no user verified", { flags: 1 + 8 + 16 }],
    ["K07 the type of an enrolment", { type: "webauthn.create" }],
    ["K01 the challenge of something else", { challenge: "A".repeat(43) }],
    ["K09 a signature over other client data", { otherClientData: true }],
    ["K09 a signature by another key", { key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey }],
    ["K10 a counter that went back", { counter: 1 }],
    ["K11 an unknown credential", { id: "AAAA" }],
    ["K15 bytes after the authenticator data", { trailing: Buffer.alloc(10) }],
    ["K16 a key that says it became copyable to nowhere", { flags: 1 + 4 }],
  ])("refuses %s, and says nothing of why", async (_, tweaks) => {
    const { agent, auth_req_id, approver } = await reviewed();
    const decided = await approver.sign(dana, tweaks);
    expect([decided.status, decided.html.includes("did not sign")]).toEqual([403, true]);
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
  });

  it("K11 refuses another person's passkey, and K02 a signature that was used", async () => {
    const one = await reviewed();
    expect((await one.approver.sign(sam)).status).toBe(403);
    const { nonce, challenge } = await one.approver.challenge();
    const credential = dana.get(challenge);
    const proof = { nonce, credential };
    const two = await reviewed();
    expect((await two.approver.decide("approve", proof)).status).toBe(403);
    expect((await one.approver.decide("approve", proof)).status).toBe(200);
    expect((await one.approver.decide("approve", proof)).status).toBe(409);
  });

  it("K18 refuses a signature under another digest, time or set of access", async () => {
    const { approver, html } = await reviewed();
    const { nonce, challenge } = await approver.challenge();
    const credential = dana.get(challenge);
    const grant = JSON.parse(/name="grant" value="([^"]+)"/.exec(html)![1]!.replaceAll("&quot;", '"')) as {
      authorization_details: object[];
      expires_at: number;
    };
    for (const changed of [
      { ...grant, expires_at: grant.expires_at - 60 },
      { ...grant, authorization_details: grant.authorization_details.slice(1) },
    ]) {
      const page = await approver.decide("approve", { nonce, credential, grant: JSON.stringify(changed) });
      expect([403, 409]).toContain(page.status);
    }
    const page = await approver.decide("approve", { nonce, credential, digest: "x".repeat(43) });
    expect(page.status).toBe(403);
  });

  it.each(["", "x", "1.x.y", "{}", `${Math.floor(Date.now() / 1000)}.AAAA.BBBB`])(
    "K03 refuses a challenge that Stint did not make just now: %j",
    async (nonce) => {
      const { approver } = await reviewed();
      const { challenge } = await approver.challenge();
      expect((await approver.decide("approve", { nonce, credential: dana.get(challenge) })).status).toBe(403);
    },
  );

  it.each([
    "",
    "x",
    "[]",
    "{}",
    '{"id":1}',
    JSON.stringify({ id: "A", rawId: "A", type: "public-key", response: {} }),
    "[".repeat(60_000),
  ])("K15 refuses what is no answer of a browser", async (credential) => {
    const { approver } = await reviewed();
    const { nonce } = await approver.challenge();
    expect([403, 413]).toContain((await approver.decide("approve", { nonce, credential })).status);
  });

  it("writes down every attempt that did not hold", async () => {
    const { approver, session_id } = await reviewed();
    await approver.sign(sam);
    await until("the audit row", async () =>
      (await auditRows(world)).find(({ source, data }) => source === session_id && data.includes("passkey_not_signed")),
    );
  });
});

describe("an invitation", () => {
  it("shows in whose name it is, and nothing before that", async () => {
    const token = await invitation(world, "kim@acme.example");
    const shell = await (await fetch(`${world.issuer}/enrol`)).text();
    expect(shell).not.toContain("kim");
    const { status, html } = await new Invited(world, token).view();
    expect([status, html.includes("kim (kim@acme.example)")]).toEqual([200, true]);
  });

  it("makes one passkey, once, of twenty at once", async () => {
    const token = await invitation(world, "kim@acme.example");
    const pages = await Promise.all(
      Array.from({ length: 20 }, () => new Invited(world, token).make(new SoftAuthenticator(world.issuer))),
    );
    expect(pages.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await passkeysOf("kim@acme.example")).toHaveLength(1);
    expect((await new Invited(world, token).make(new SoftAuthenticator(world.issuer))).status).toBe(409);
  });

  it("lets the first passkey decide at once, a further one after a day, and tells its owner", async () => {
    await enrolled(world, "lee@acme.example");
    await enrolled(world, "lee@acme.example");
    await enrolled(world, "lee@acme.example", { at_once: true });
    const waits = (await passkeysOf("lee@acme.example")).map(({ created_at, usable_from }) => usable_from - created_at);
    expect(waits).toEqual([0, 86_400, 0]);
    await until("the mails", async () => {
      const mails = (await world.emulators.mails()).filter(({ to }) => to.includes("lee@acme.example"));
      return mails.length >= 3 && mails.every(({ text }) => !text.includes("#")) ? true : undefined;
    });
  });

  it("says on the page what a person without a usable passkey has to do", async () => {
    const taken = await world.broker.admin("POST", "/admin/people/dana@acme.example/passkeys/revoke", {});
    expect(taken.body).toEqual({ revoked: [dana.id] });
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask())).body;
    const approver = await Approver.bySlack(world, "dana", session_id);
    const without = await approver.view();
    expect(without.html).toContain("stint invite dana@acme.example");
    expect(without.html).not.toContain("Review and approve");
    const old = dana;
    dana = await enrolled(world, "dana@acme.example");
    expect((await approver.view()).html).toContain("Your passkey is new");
    // Its page offers no way to, but a program may try.
    await approver.review();
    expect((await approver.sign(dana)).status).toBe(403);
    await world.broker.admin("POST", "/admin/people/dana@acme.example/passkeys/revoke", { credential_id: dana.id });
    dana = await enrolled(world, "dana@acme.example", { at_once: true });
    await approver.view();
    await approver.review();
    expect((await approver.sign(old)).status).toBe(403);
    expect((await approver.sign(dana)).status).toBe(200);
  });

  it.each<[string, Tweaks]>([
    ["K04 at another origin", { origin: "https://evil.example" }],
    ["K05 for another relying party", { rpId: "evil.example" }],
    ["K06 without user verification", { flags: 1 }],
    ["K07 of the type of an approval", { type: "webauthn.get" }],
    ["K01 over another challenge", { challenge: "A".repeat(43) }],
    ["K15 with bytes after it", { trailing: Buffer.alloc(7) }],
  ])("makes none %s", async (_, tweaks) => {
    const invited = new Invited(world, await invitation(world, "max@acme.example"));
    expect((await invited.make(new SoftAuthenticator(world.issuer), tweaks)).status).toBe(400);
    expect(await passkeysOf("max@acme.example")).toEqual([]);
  });

  it("makes none that is known already, and none with another invitation's challenge", async () => {
    const authenticator = await enrolled(world, "pat@acme.example");
    expect((await new Invited(world, await invitation(world, "pat@acme.example")).make(authenticator)).status).toBe(
      400,
    );
    const [one, two] = [
      new Invited(world, await invitation(world, "ren@acme.example")),
      new Invited(world, await invitation(world, "ren@acme.example")),
    ];
    const { nonce, challenge } = await one.challenge();
    const other = new SoftAuthenticator(world.issuer);
    const crossed = await two.make(other, {}, { nonce, credential: other.create(challenge) });
    expect(crossed.status).toBe(400);
  });

  it("is refused when it is altered, of another kind, or posted from elsewhere", async () => {
    const token = await invitation(world, "ren@acme.example");
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask())).body;
    const link = (await Approver.bySlack(world, "dana", session_id)).token;
    for (const bad of ["", "x", `${token}x`, link, (await agent.assertion()).client_assertion])
      expect((await new Invited(world, bad).view()).status).toBe(404);
    expect((await new Approver(world.issuer, token).view()).status).toBe(404);
    const elsewhere = await new Approver(world.issuer, token).post(
      "/enrol/view",
      { token },
      { origin: "https://evil.example" },
    );
    expect(elsewhere.status).toBe(404);
    expect((await fetch(`${world.issuer}/enrol/finish`)).status).toBe(405);
    expect(linksIn(token)).toEqual([]);
  });

  it("is for an admin to give, and for people who are there", async () => {
    expect((await world.broker.admin("POST", "/admin/people/nobody@acme.example/invite", {})).status).toBe(404);
    const response = await fetch(`${world.issuer}/admin/people/dana@acme.example/invite`, {
      method: "POST",
      body: "{}",
    });
    expect(response.status).toBe(401);
  });
});
