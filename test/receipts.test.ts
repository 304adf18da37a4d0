import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { digestOf } from "../src/crypto/hash.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { SoftAuthenticator } from "./support/authenticator.ts";
import { newClientKey, type ClientKey } from "./support/oauth-world.ts";
import { signRaw } from "./support/forge.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let folder: string;
let receipt: string;
let jwks: { keys: object[] };
let sessionId: string;
/** Signs as the issuer would, to try what a signature alone does not catch. */
let forger: ClientKey;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      policies: (document["policies"] as object[]).map((policy) => ({ ...policy, assurance: "passkey" })),
    }),
  });
  folder = mkdtempSync(join(tmpdir(), "stint-receipt-"));
  forger = await newClientKey("forger");
  const dana = new SoftAuthenticator(world.issuer);
  const { body } = await world.broker.admin("POST", "/admin/people/dana@acme.example/invite", {});
  const token = String(body["link"]).split("#")[1] ?? "";
  const visitor = new Approver(world.issuer, token);
  const { nonce, publicKey } = JSON.parse((await visitor.post("/enrol/challenge", { token })).html) as {
    nonce: string;
    publicKey: { challenge: string };
  };
  await visitor.post("/enrol/finish", { token, nonce, credential: dana.create(publicKey.challenge) });

  const agent = await world.freshAgent();
  const { session_id, auth_req_id } = (await agent.ask(ask())).body;
  sessionId = session_id;
  const approver = await Approver.bySlack(world, "dana", session_id);
  await approver.view();
  await approver.review();
  await approver.sign(dana);
  const sessionToken = tokenOf(await agent.poll(auth_req_id));
  await agent.call(sessionToken, "POST", `/sessions/${session_id}/end`);
  receipt = await until("the receipt", async () => {
    const { status, body: answer } = await world.broker.admin("GET", `/admin/sessions/${session_id}/receipt`);
    return status === 200 ? String(answer["receipt"]) : undefined;
  });
  jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The receipt with changed claims, signed by a key that the verifier is told to trust. */
async function forged(change: (claims: never) => void): Promise<ReturnType<typeof verifyReceipt>> {
  const claims = claimsOf(receipt);
  change(claims as never);
  const header = { alg: "ES256", typ: "stint-receipt+jwt", kid: "forger" };
  return verifyReceipt(await signRaw(header, claims, forger.privateJwk), { keys: [forger.publicJwk] });
}

describe("a receipt, without the broker", () => {
  it("holds: signature, grant, decision, and the passkey's own signature", async () => {
    expect(await verifyReceipt(receipt, jwks)).toMatchObject({
      ok: true,
      findings: [
        expect.stringContaining(world.issuer),
        expect.stringContaining("dana@acme.example approved exactly this grant"),
        expect.stringContaining("by the passkey"),
      ],
    });
    expect(await forged(() => undefined)).toMatchObject({ ok: true });
  });

  it("does not hold with any byte of it altered", async () => {
    const held = [];
    for (let at = 0; at < receipt.length; at += 1) {
      const other = receipt[at] === "A" ? "B" : "A";
      const altered = receipt.slice(0, at) + other + receipt.slice(at + 1);
      if ((await verifyReceipt(altered, jwks)).ok) held.push(at);
    }
    expect(held).toEqual([]);
  });

  it.each<[string, (claims: never) => void, string]>([
    [
      "a wider grant",
      (claims: { grant: { expires_at: number } }) => (claims.grant.expires_at += 1),
      "not the one whose digest",
    ],
    [
      "another decision",
      (claims: { decision: { digest: string } }) => (claims.decision.digest = "x"),
      "another digest",
    ],
    [
      "another person",
      (claims: { decision: { person: string } }) => (claims.decision.person = "sam"),
      "something else",
    ],
    ["another session", (claims: { session_id: string }) => (claims.session_id = "ses_x"), "another session"],
    ["no evidence", (claims: { decision: { evidence?: object } }) => delete claims.decision.evidence, "no evidence"],
    ["another nonce", (claims: Evident) => (claims.decision.evidence.statement.nonce = "x"), "does not hold"],
    ["another passkey", (claims: Evident) => (claims.decision.evidence.public_key = "pQECAyYgASFYIA"), "does not hold"],
    ["another signature", (claims: Evident) => (claims.decision.evidence.signature = "MEQ"), "does not hold"],
    ["another page", (claims: Evident) => (claims.decision.evidence.client_data_json = "e30"), "does not hold"],
  ])("does not hold with %s, even where the issuer's own key signed it", async (_, change, fault) => {
    expect(await forged(change)).toMatchObject({ ok: false, fault: expect.stringContaining(fault) });
  });

  it("does not hold with the passkey's signature over another grant", async () => {
    const verified = await forged(
      (claims: { grant: { expires_at: number }; grant_digest: string; decision: { digest: string } }) => {
        claims.grant.expires_at += 3600;
        claims.grant_digest = digestOf(claims.grant);
        claims.decision.digest = claims.grant_digest;
      },
    );
    expect(verified).toMatchObject({ ok: false, fault: expect.stringContaining("something else") });
  });

  it("does not hold under another key, or as another kind of token", async () => {
    expect(await verifyReceipt(receipt, { keys: [] })).toMatchObject({ ok: false });
    const header = { alg: "ES256", typ: "at+jwt", kid: "forger" };
    const token = await signRaw(header, claimsOf(receipt), forger.privateJwk);
    expect(await verifyReceipt(token, { keys: [forger.publicJwk] })).toMatchObject({ ok: false });
  });

  it("is checked by stint verify, from a bundle or with keys of one's own", () => {
    const stint = (...args: string[]) =>
      spawnSync(process.execPath, [join(ROOT, "cli", "main.ts"), ...args], { encoding: "utf8" });
    const access = ["--url", world.issuer, "--data", world.broker.dataPath];
    const [bundle, raw, keys] = ["bundle.json", "receipt.jws", "jwks.json"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(bundle, stint("receipt", sessionId, "--bundle", ...access).stdout);
    writeFileSync(raw, stint("receipt", sessionId, "--raw", ...access).stdout);
    writeFileSync(keys, JSON.stringify(jwks));
    expect(stint("verify", bundle)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("came with the receipt"),
    });
    const withKeys = stint("verify", raw, "--jwks", keys);
    expect(withKeys).toMatchObject({ status: 0, stdout: expect.stringContaining(": by the passkey") });
    expect(withKeys.stdout).not.toContain("came with");
    const altered = readFileSync(bundle, "utf8").replace('"receipt": "ey', '"receipt": "eZ');
    writeFileSync(bundle, altered);
    expect(stint("verify", bundle)).toMatchObject({ status: 1, stderr: expect.stringContaining("does not hold") });
    expect(stint("verify", raw)).toMatchObject({ status: 2, stderr: expect.stringContaining("--jwks") });
    expect(stint("verify", join(folder, "nothing"))).toMatchObject({ status: 2 });
    expect(stint("verify")).toMatchObject({ status: 2 });
  });
});

interface Evident {
  decision: {
    evidence: { statement: { nonce: string }; public_key: string; signature: string; client_data_json: string };
  };
}
