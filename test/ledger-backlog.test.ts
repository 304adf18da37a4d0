import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Answer } from "../cli/agent-client.ts";
import {
  approvedSession,
  ask,
  ECHO,
  READ_API,
  startTestWorld,
  WRITE_API,
  type Approved,
  type TestWorld,
} from "./support/world.ts";

let world: TestWorld;
let session: Approved;
let other: Approved;
let proxyToken: string;
beforeAll(async () => {
  world = await startTestWorld();
  session = await approvedSession(world, { authorization_details: [READ_API, ECHO] });
  other = await approvedSession(world);
  proxyToken = await session.proxyToken("echo");
  await world.broker.kill9();
  reportBacklog(world.broker.dataPath);
  await world.broker.restart();
});
afterAll(() => world?.close());

/** Writes down, as the tenant's object would, that more waits for the ledger than may; in a report that does not grow old. */
function reportBacklog(dataPath: string): void {
  const files = readdirSync(dataPath, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".sqlite"));
  for (const file of files) {
    const database = new DatabaseSync(join(dataPath, file));
    const isTenant = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'backlog'").get() !== undefined;
    if (isTenant)
      database.prepare("INSERT INTO backlog VALUES ('ses_x', 100000, ?)").run(Math.floor(Date.now() / 1000) + 3600);
    database.close();
  }
}

const HELD_UP = {
  status: 503,
  body: { error: "temporarily_unavailable", error_description: expect.stringContaining("audit log") as string },
};

describe("FQ while the audit log's ledger is behind", () => {
  it.each<[string, () => Promise<Answer>]>([
    ["no token is minted", () => session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/echo`)],
    ["no call passes", () => session.agent.call(proxyToken, "GET", "/proxy/echo/things")],
    ["no session is asked for", async () => (await world.freshAgent()).ask(ask()) as Promise<Answer>],
    [
      "no more is asked for",
      () =>
        session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/grants`, {
          authorization_details: [WRITE_API],
        }),
    ],
  ])("%s", async (_, attempt) => {
    world.echo.seen.length = 0;
    expect(await attempt()).toMatchObject(HELD_UP);
    expect(world.echo.seen).toEqual([]);
  });

  it("says when to try again, and whether a session lives", async () => {
    const answer = await fetch(`${world.issuer}/oauth/token`, { method: "POST" });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "30"]);
    const path = `/sessions/${session.sessionId}`;
    expect(await session.agent.call(session.sessionToken, "GET", path)).toMatchObject({ status: 200 });
  });

  it("a session is revoked, another ended, and all of it is in the log", async () => {
    const revoked = await world.broker.admin("POST", `/admin/sessions/${session.sessionId}/revoke`, {});
    expect(revoked).toMatchObject({ status: 200, body: { result: "revoked" } });
    expect(await other.agent.call(other.sessionToken, "POST", `/sessions/${other.sessionId}/end`)).toMatchObject({
      status: 200,
      body: { status: "ended", outcome: "completed" },
    });
    for (const id of [session.sessionId, other.sessionId])
      expect((await world.broker.admin("GET", `/admin/sessions/${id}`)).body).toMatchObject({ status: "ended" });
    expect((await world.broker.admin("POST", "/admin/revoke", {})).status).toBe(200);
  });
});
