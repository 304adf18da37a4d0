import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newProofKey, StintClient } from "../cli/agent-client.ts";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { approvedSession, ask, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

const doc = readFileSync(join(ROOT, "docs", "security.md"), "utf8");

let world: TestWorld;
let folder: string;
let session: Approved;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => {
      const { people } = document as { people: object[] };
      return { ...document, people: [...people, { id: "kim@acme.example", name: "Kim", roles: ["auditor"] }] };
    },
  });
  folder = mkdtempSync(join(tmpdir(), "stint-operator-"));
  const command = join(folder, "stint");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "cli", "main.ts")}" "$@"\n`);
  chmodSync(command, 0o755);
  symlinkSync(world.broker.dataPath, join(folder, ".stint"));
  session = await approvedSession(world);
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

function block(name: string): string {
  const text = new RegExp(`\`\`\`sh ${name}\n([^]*?)\`\`\``).exec(doc)?.[1] ?? "";
  expect(text).not.toBe("");
  return text;
}

/** Types into the terminal of somebody in the folder of the broker, who knows which session it is about. */
function type(script: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn("sh", ["-ec", script], {
    cwd: folder,
    env: {
      ...process.env,
      PATH: `${folder}:${process.env["PATH"] ?? ""}`,
      STINT_URL: world.issuer,
      SESSION: session.sessionId,
    },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((done) => void child.on("close", (code) => done({ code, stdout, stderr })));
}

describe("docs/security.md", () => {
  it("admits an auditor, who reads and changes nothing", async () => {
    const read = await type(block("auditor"));
    expect(read).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`every one fits[^]*${session.sessionId} +active`)),
    });
    const admission = block("auditor").split("\n")[0] ?? "";
    const tried = await type(`${admission}\nstint revoke --all`);
    expect(tried).toMatchObject({ code: 1, stderr: expect.stringContaining("an auditor reads the audit log") });
    expect((await session.agent.call(await session.proxyToken("echo"), "GET", "/proxy/echo/things")).status).toBe(200);
  });

  it("lets an agent move to a new key, and the old one leave last", async () => {
    const [keygen = "", apply = ""] = block("agent-key").trim().split("\n");
    const made = await type(keygen);
    const publicJwk = JSON.parse(made.stdout) as JWK;
    const privateJwk = JSON.parse(readFileSync(join(folder, "new.jwk"), "utf8")) as JWK;
    const { agents } = world.document as { agents: { client_id: string; jwks: { keys: JWK[] } }[] };
    const applyWith = async (keys: readonly JWK[]): Promise<void> => {
      const changed = agents.map((agent) => (agent.client_id === "triage-bot" ? { ...agent, jwks: { keys } } : agent));
      writeFileSync(join(folder, "tenant.json"), JSON.stringify({ ...world.document, agents: changed }));
      expect(await type(apply)).toMatchObject({ code: 0, stdout: expect.stringContaining("Applied as version") });
    };
    const askBy = async (key: JWK, title: string) =>
      (await new StintClient(world.issuer, "triage-bot", key, await newProofKey()).ask(ask({ task: { title } })))
        .status;
    const old = world.keys.agent;
    await applyWith([old.publicJwk, publicJwk]);
    expect([await askBy(old.privateJwk, "Old key"), await askBy(privateJwk, "New key")]).toEqual([202, 202]);
    await applyWith([publicJwk]);
    expect([await askBy(old.privateJwk, "Old"), await askBy(privateJwk, "New")]).toEqual([401, 202]);
    await applyWith([old.publicJwk]);
  });

  it("stops everything, keeps what there is, and says who touched what", async () => {
    const token = await session.proxyToken("echo");
    const other = await approvedSession(world);
    expect(await type(block("stop"))).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Revoked ses_\S+\.\n(?:Revoked \d+ session\(s\)\.\n){3}$/),
    });
    for (const [ended, proxyToken] of [
      [session, token],
      [other, undefined],
    ] as const)
      expect((await ended.agent.exchange(ended.sessionToken, `${world.issuer}/proxy/echo`)).status, proxyToken).toBe(
        400,
      );
    expect((await session.agent.call(token, "GET", "/proxy/echo/things")).status).toBe(401);
    await until("the receipt", async () =>
      (await world.broker.admin("GET", `/admin/sessions/${session.sessionId}/receipt`)).status === 200
        ? true
        : undefined,
    );
    expect(await type(block("keep"))).toMatchObject({ code: 0, stdout: expect.stringContaining("every one fits") });
    expect(await type(block("who"))).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/"how": "revoked"[^]*call\.authorized[^]*ok {2}/),
    });
    expect(await type(block("secrets"))).toMatchObject({ code: 0, stdout: expect.stringContaining("environment") });
    expect(await type(block("operators"))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("config.applied"),
    });
  });

  it("finds a log that was cut, altered or swapped, without a broker", async () => {
    const [, , verify = ""] = block("keep").trim().split("\n");
    const rows = readFileSync(join(folder, "log.jsonl"), "utf8").trim().split("\n");
    const changed = async (log: readonly string[]) => {
      writeFileSync(join(folder, "log.jsonl"), log.join("\n"));
      return type(`STINT_URL=http://localhost:1 ${verify}`);
    };
    expect(await changed(rows)).toMatchObject({ code: 0 });
    expect(await changed(rows.slice(0, 1))).toMatchObject({ code: 1, stderr: expect.stringContaining("ends at row") });
    expect(await changed(rows.toSpliced(1, 1))).toMatchObject({ code: 1, stderr: expect.stringContaining("row 3") });
    expect(await changed(rows.toSpliced(1, 2, rows[2] ?? "", rows[1] ?? ""))).toMatchObject({ code: 1 });
    const later = (rows[1] ?? "").replace(/"at":(\d+)/, (_, at: string) => `"at":${Number(at) + 1}`);
    expect(await changed(rows.with(1, later))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("row 2 does not fit: its content is not what was hashed"),
    });
    for (const line of ["{}", "null", "[]", "x", '{"n":2}', (rows[1] ?? "").replace('"type":"', '"type":"\\ud800')])
      expect(await changed(rows.with(1, line))).toMatchObject({
        code: 1,
        stderr: "stint audit: log.jsonl line 2 is no row; stint audit list prints them\n",
      });
  });

  it("puts a backup back, and ends what it brings back", async () => {
    const lively = await approvedSession(world);
    await world.broker.kill9();
    expect(await type(block("backup"))).toMatchObject({ code: 0 });
    await world.broker.restart();
    expect(await type(`stint revoke ${lively.sessionId}`)).toMatchObject({ code: 0 });
    await world.broker.kill9();
    expect(await type(block("restore"))).toMatchObject({ code: 0 });
    await world.broker.restart();
    const exchange = async () =>
      (await lively.agent.exchange(lively.sessionToken, `${world.issuer}/proxy/echo`)).status;
    expect(await exchange()).toBe(200);
    expect(await type("stint revoke --all")).toMatchObject({ code: 0 });
    expect(await exchange()).toBe(400);
  });

  it("makes a new admin key, with which the old tokens are worth nothing", async () => {
    const old = world.broker.adminToken();
    await world.broker.kill9();
    expect(await type(block("admin-key"))).toMatchObject({ code: 0 });
    await world.broker.restart();
    expect(await type(`STINT_ADMIN_TOKEN=${old} stint sessions`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("does not take this admin token"),
    });
    expect(await type("stint audit verify")).toMatchObject({ code: 0 });
  });
});
