import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { Agent, newProofKey } from "../sdk/agent/index.ts";
import { Approver } from "./support/approver.ts";
import { startGuardedWorld, type GuardedWorld } from "./support/guarded-world.ts";
import { READ_API } from "./support/world.ts";

let world: GuardedWorld;
beforeAll(async () => {
  world = await startGuardedWorld();
});
afterAll(() => world?.close());

const freshAgent = async (): Promise<Agent> => {
  const { clientId } = await world.freshAgent();
  return new Agent({ issuer: world.issuer, clientId, key: world.keys.agent.privateJwk });
};
const ASK = { task: { title: "Read" }, authorization_details: [READ_API], expires_in: 300 };

describe("an agent by the SDK", () => {
  it("calls an upstream through the proxy, sees what it used, and ends with a receipt", async () => {
    const pending = await (await freshAgent()).ask(ASK);
    await (await Approver.bySlack(world, "dana", pending.id)).approve();
    const session = await pending.wait();
    expect(session.authorizationDetails).toMatchObject([{ upstream: "github", locations: ["acme/api"] }]);
    const github = session.upstream("github");
    expect((await github("/repos/acme/api/issues?state=open")).status).toBe(200);
    expect((await github("/repos/acme/web/issues")).status).toBe(403);
    expect(await session.look()).toMatchObject({ status: "active", session_id: session.id });
    expect(await session.end()).toMatchObject({ status: "ended", outcome: "completed", receipt: expect.any(String) });
    expect((await github("/repos/acme/api/issues")).status).toBe(401);
    await expect(session.upstream("github")("/repos/acme/api/issues")).rejects.toMatchObject({
      name: "StintError",
      status: 400,
    });
  });

  it("carries less where it is told to", async () => {
    const session = await world.approvedFor("plain", ["list_issues", "open_issue"]);
    const narrower = { authorizationDetails: [READ_API], expiresInSeconds: 60 };
    const read = session.upstream("github", narrower);
    expect((await read("/repos/acme/api/issues")).status).toBe(200);
    const write = { method: "POST", body: '{"title":"Never"}', headers: { "content-type": "application/json" } };
    expect((await read("/repos/acme/api/issues", write)).status).toBe(403);
  });

  it("is told that a human denied, and by no answer how to approve", async () => {
    const pending = await (await freshAgent()).ask(ASK);
    expect(JSON.stringify(pending)).not.toContain("approve");
    await (await Approver.bySlack(world, "dana", pending.id)).deny();
    await expect(pending.wait()).rejects.toMatchObject({ name: "StintError", code: "access_denied" });
  });

  it("withdraws a request that nobody decided", async () => {
    const pending = await (await freshAgent()).ask(ASK);
    await pending.withdraw();
    await expect(pending.wait()).rejects.toMatchObject({ name: "StintError" });
  });

  it("asks once, however often it asks with one idempotency key", async () => {
    const agent = await freshAgent();
    const [first, second] = [await agent.ask(ASK, "one-key-of-mine"), await agent.ask(ASK, "one-key-of-mine")];
    expect(second.id).toBe(first.id);
  });

  it("is refused what the policy does not allow, in Stint's words", async () => {
    const asked = (await freshAgent()).ask({ ...ASK, expires_in: 86_400 });
    await expect(asked).rejects.toMatchObject({
      name: "StintError",
      status: 400,
      message: expect.stringMatching(/\w+ \w+/),
    });
  });

  it("signs with a key that nobody can read out, and binds tokens to one", async () => {
    const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, [
      "sign",
      "verify",
    ]);
    const { clientId } = await world.freshAgent();
    const registered = await crypto.subtle.exportKey("jwk", publicKey);
    const { body } = await world.broker.admin("GET", "/admin/tenant");
    const document = (body["document"] ?? body) as { agents: { client_id: string; jwks: object }[] };
    const agents = document.agents.map((agent) =>
      agent.client_id === clientId
        ? { ...agent, jwks: { keys: [{ ...registered, kid: "held", alg: "ES256" }] } }
        : agent,
    );
    expect((await world.broker.admin("POST", "/admin/tenant", { ...document, agents })).status).toBe(200);
    const proofKey = await newProofKey();
    await expect(crypto.subtle.exportKey("jwk", proofKey.privateKey)).rejects.toThrow();
    const key = { privateKey, alg: "ES256", kid: "held" };
    const agent = new Agent({ issuer: world.issuer, clientId, key, proofKey });
    expect(await agent.ask(ASK)).toMatchObject({ matchCode: expect.any(String) });
  });
});

describe("the example agent and the example server", () => {
  it("triage a repository, as programs of their own", async () => {
    const folder = mkdtempSync(join(tmpdir(), "stint-example-"));
    const keyFile = join(folder, "key.json");
    writeFileSync(keyFile, JSON.stringify(world.keys.agent.privateJwk));
    const { clientId } = await world.freshAgent();
    const entry = join(ROOT, "examples", "triage-agent", "main.ts");
    const args = [entry, world.issuer, clientId, keyFile, world.resource.mcp, "acme/api"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const lines: string[] = [];
    createInterface(child.stdout).on("line", (line) => lines.push(line));
    const ended = new Promise<number | null>((done) => void child.on("exit", done));
    const sessionId = await until("the request", async () => /ses_[\w-]+/.exec(lines[0] ?? "")?.[0]);
    await (await Approver.bySlack(world, "dana", sessionId)).approve();
    expect([await ended, lines.join("\n")]).toEqual([
      0,
      expect.stringMatching(/Opened acme\/api#\d+[^]*Ended: completed/),
    ]);
    rmSync(folder, { recursive: true });
  });
});
