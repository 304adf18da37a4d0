import { spawn } from "node:child_process";
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";
import { Approver } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { ProxyCaller } from "./support/proxy-caller.ts";
import { approvedSession, ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

/** How often the broker is killed while it renews its keys. */
const KILLS = 4;
const SECRET = "a-secret-that-was-set-by-hand";

let world: TestWorld;
afterEach(() => world?.close());

/** Runs the command line against the world's broker. */
function stint(args: string[], input = ""): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(ROOT, "cli", "main.ts"), ...args, "--data", world.broker.dataPath]);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(input);
  return new Promise((done) => child.on("exit", (code) => done({ code, output })));
}
const atTenant = (...args: string[]): string[] => [...args, "--url", world.issuer];

async function restart(): Promise<void> {
  await world.broker.kill9();
  await world.broker.restart();
}

describe("changing the key-encryption key of a data directory", () => {
  it("is noticed by nobody: requests that wait, sessions, leases and secrets go on", async () => {
    world = await startTestWorld();
    await stint(atTenant("secrets", "set", "WEATHER_KEY"), `${SECRET}\n`);
    const session = await approvedSession(world);
    const caller = new ProxyCaller(world, session, await session.proxyToken("echo"));
    expect((await caller.call()).status).toBe(200);
    expect(world.echo.seen.at(-1)?.headers["x-api-key"]).toBe(SECRET);
    const waiting = await world.freshAgent();
    const { session_id, auth_req_id } = (await waiting.ask(ask())).body;

    const before = readFileSync(join(world.broker.dataPath, "kek"), "utf8");
    expect(await stint(["keys", "new-kek"])).toMatchObject({ code: 0, output: expect.stringContaining("kek.old") });
    expect(readFileSync(join(world.broker.dataPath, "kek"), "utf8")).not.toBe(before);
    expect(readFileSync(join(world.broker.dataPath, "kek.old"), "utf8")).toBe(before);
    expect(statSync(join(world.broker.dataPath, "kek.old")).mode & 0o077).toBe(0);
    await restart();
    expect((await caller.call()).status).toBe(200);
    expect((await stint(atTenant("keys", "list"))).output).toMatch(/kek_\S+ is still needed/);
    // Not again before the first change is finished: what only the oldest opens would be lost.
    expect(await stint(["keys", "new-kek"])).toMatchObject({ code: 1, output: expect.stringContaining("finish") });

    const rotated = await stint(atTenant("keys", "rotate", "--use", "data"));
    expect(rotated).toMatchObject({ code: 0, output: expect.stringContaining("version 2 seals from now on") });
    expect((await stint(atTenant("keys", "list"))).output).not.toContain("still needed");
    rmSync(join(world.broker.dataPath, "kek.old"));
    await restart();
    expect((await caller.call()).status).toBe(200);
    const approver = await Approver.bySlack(world, "dana", session_id);
    expect((await approver.approve()).status).toBe(200);
    const sessionToken = tokenOf(await waiting.poll(auth_req_id));
    const echo = tokenOf(await waiting.exchange(sessionToken, `${world.issuer}/proxy/echo`));
    expect((await waiting.call(echo, "GET", "/proxy/echo/things")).status).toBe(200);
    expect(world.echo.seen.at(-1)?.headers["x-api-key"]).toBe(SECRET);
  });

  it("survives a kill at any moment of it, and goes on when it is done again", async () => {
    world = await startTestWorld();
    await stint(atTenant("secrets", "set", "WEATHER_KEY"), SECRET);
    await stint(["keys", "new-kek"]);
    await restart();
    for (let round = 0; round < KILLS; round += 1) {
      const renewing = world.broker.admin("POST", "/admin/keys/rotate", { use: "data" }).catch(() => undefined);
      await new Promise((done) => setTimeout(done, 3 * round));
      await restart();
      await renewing;
    }
    expect((await world.broker.admin("POST", "/admin/keys/rotate", { use: "data" })).status).toBe(200);
    rmSync(join(world.broker.dataPath, "kek.old"));
    await restart();
    const session = await approvedSession(world);
    expect((await new ProxyCaller(world, session, await session.proxyToken("echo")).call()).status).toBe(200);
    expect(world.echo.seen.at(-1)?.headers["x-api-key"]).toBe(SECRET);
  });

  it("can be done again when it was cut off between its two files", async () => {
    world = await startTestWorld();
    const [kek, old] = [join(world.broker.dataPath, "kek"), join(world.broker.dataPath, "kek.old")];
    writeFileSync(old, readFileSync(kek, "utf8"), { mode: 0o600 });
    await restart();
    expect((await world.broker.admin("GET", "/admin/keys")).status).toBe(200);
    expect((await stint(["keys", "new-kek"])).code).toBe(0);
    await restart();
    expect((await world.broker.admin("GET", "/admin/keys")).status).toBe(200);
  });

  it("FL refuses to start when the old one is taken away too early, and starts when it is put back", async () => {
    world = await startTestWorld();
    const old = join(world.broker.dataPath, "kek.old");
    await stint(["keys", "new-kek"]);
    renameSync(old, `${old}.away`);
    await world.broker.kill9();
    await expect(world.broker.restart()).rejects.toThrow(/this tenant's data needs kek_[^]*does not open/);
    renameSync(`${old}.away`, old);
    await world.broker.restart();
    expect((await world.broker.admin("GET", "/admin/keys")).status).toBe(200);
  });
});

describe("what was sealed", () => {
  it("comes back out nowhere: no answer, no log, no file", async () => {
    world = await startTestWorld();
    const set = await stint(atTenant("secrets", "set", "WEATHER_KEY"), SECRET);
    expect(set).toEqual({ code: 0, output: "Sealed WEATHER_KEY.\n" });
    expect((await stint(atTenant("secrets", "set", "WEATHER_KEY", SECRET))).code).toBe(2);
    expect((await stint(atTenant("secrets", "get", "WEATHER_KEY"))).code).toBe(2);
    const session = await approvedSession(world);
    await new ProxyCaller(world, session, await session.proxyToken("echo")).call();
    await world.broker.admin("POST", "/admin/keys/rotate", {});
    const answers = await Promise.all(
      ["tenant", "keys", "sessions", `sessions/${session.sessionId}`, "secrets/WEATHER_KEY", "secrets"].map((path) =>
        world.broker.admin("GET", `/admin/${path}`),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 404, 200]);
    const everything = [JSON.stringify(answers), JSON.stringify(await auditRows(world)), world.broker.output()].join();
    await world.broker.kill9();
    const files = spawn("find", [join(world.broker.dataPath, "objects"), "-type", "f"]);
    let names = "";
    files.stdout.on("data", (chunk: Buffer) => (names += chunk.toString()));
    await new Promise((done) => files.on("exit", done));
    const stored = names
      .split("\n")
      .filter(existsSync)
      .map((file) => readFileSync(file).toString("latin1"));
    expect(stored.length).toBeGreaterThan(3);
    for (const form of [SECRET, Buffer.from(SECRET).toString("base64url"), Buffer.from(SECRET).toString("hex")])
      for (const place of [everything, ...stored]) expect(place.includes(form)).toBe(false);
    await world.broker.restart();
  });
});
