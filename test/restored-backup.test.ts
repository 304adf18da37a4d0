import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { approvedSession, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let backup: string;
beforeAll(async () => {
  world = await startTestWorld();
  backup = mkdtempSync(join(tmpdir(), "stint-backup-"));
});
afterAll(async () => {
  await world?.close();
  rmSync(backup, { recursive: true, force: true });
});

it("FT what a backup brings back ends with one command", async () => {
  const revoked = await approvedSession(world);
  const ended = await approvedSession(world);
  const tokens = [await revoked.proxyToken("echo"), await ended.proxyToken("echo")];
  const { dataPath } = world.broker;
  await world.broker.kill9();
  cpSync(dataPath, backup, { recursive: true });
  await world.broker.restart();
  await world.broker.admin("POST", `/admin/sessions/${revoked.sessionId}/revoke`, {});
  await ended.agent.call(ended.sessionToken, "POST", `/sessions/${ended.sessionId}/end`);
  const callBoth = async () => [
    (await revoked.agent.call(tokens[0]!, "GET", "/proxy/echo/things")).status,
    (await ended.agent.call(tokens[1]!, "GET", "/proxy/echo/things")).status,
  ];
  expect(await callBoth()).toEqual([401, 401]);

  await world.broker.kill9();
  rmSync(dataPath, { recursive: true });
  cpSync(backup, dataPath, { recursive: true });
  await world.broker.restart();
  // Yesterday's truth: this is what the command is for.
  expect(await callBoth()).toEqual([200, 200]);
  expect((await world.broker.admin("POST", "/admin/revoke", { reason: "restored" })).status).toBe(200);
  expect(await callBoth()).toEqual([401, 401]);
  for (const session of [revoked, ended])
    expect((await session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/echo`)).status).toBe(400);
});
