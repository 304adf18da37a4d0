import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AuditVerifier, readCheckpoint, type AuditRow, type Checkpoint } from "../../cli/audit-verifier.ts";
import { objectName } from "../../src/domain/ids.ts";
import {
  admin,
  adminAuthorization,
  agent,
  applyDocument,
  ASK,
  at,
  atWork,
  beginWorld,
  claimsOf,
  client,
  endWorld,
  inStorage,
  ISSUER,
  PROXY,
  sessionObject,
  tenantDocument,
  tick,
} from "./world.ts";

beforeEach(() => beginWorld());
afterEach(endWorld);

interface Log {
  readonly rows: AuditRow[];
  readonly checkpoint: string;
}

async function readLog(): Promise<Log> {
  return (await admin("GET", "/admin/audit")).json<Log>();
}

/** What the verifier says of the log as it is read now: the row that it names, and why. */
async function verdict(kept?: Checkpoint): Promise<{ row?: number; fault: string } | undefined> {
  const verifier = new AuditVerifier(kept);
  for (const row of (await readLog()).rows) {
    const fault = verifier.add(row);
    if (fault !== undefined) return { row: row.n, fault };
  }
  const missing = verifier.end();
  return missing === undefined ? undefined : { fault: missing };
}

/** Somebody with the disk in their hands. */
const tamper = (sql: string, ...values: SqlStorageValue[]) =>
  runInDurableObject(env.LEDGER.getByName(objectName(ISSUER)), (_, state) =>
    state.storage.sql.exec(sql, ...values).toArray(),
  );

async function busyLog(): Promise<Checkpoint> {
  const { bot, sessionToken, opened } = await atWork(1);
  for (let times = 0; times < 3; times += 1) await bot.exchange(sessionToken, PROXY);
  await tick(opened.session_id);
  const kept = readCheckpoint((await readLog()).checkpoint);
  expect(kept?.n).toBeGreaterThan(6);
  return kept!;
}

describe("a log that somebody changed (U02, U03)", () => {
  it.each<[string, string, number]>([
    ["edited", "UPDATE row SET data = '{}' WHERE n = 4", 4],
    ["given another time", "UPDATE row SET at = at - 60 WHERE n = 4", 4],
    ["given another type", "UPDATE row SET type = 'token.minted' WHERE n = 2", 2],
    ["deleted", "DELETE FROM row WHERE n = 4", 5],
    [
      "deleted, and the gap closed",
      "DELETE FROM row WHERE n = 4; UPDATE row SET n = n - 1000 WHERE n > 4; UPDATE row SET n = n + 999 WHERE n < 0",
      4,
    ],
    [
      "moved",
      "UPDATE row SET n = -1 WHERE n = 4; UPDATE row SET n = 4 WHERE n = 5; UPDATE row SET n = 5 WHERE n = -1",
      4,
    ],
    [
      "doubled",
      "UPDATE row SET n = n + 1001 WHERE n > 4; UPDATE row SET n = n - 1000 WHERE n > 1000; INSERT INTO row SELECT 5, source, seq + 1000, at, type, data, hash, chain FROM row WHERE n = 4",
      5,
    ],
  ])("U02 names the first row that does not fit, when one was %s", async (_, sql, named) => {
    await busyLog();
    expect(await verdict()).toBeUndefined();
    await tamper(sql);
    expect(await verdict()).toMatchObject({ row: named });
  });

  it("U03 shows against a head that was kept elsewhere, when its end was cut off or all of it was written anew", async () => {
    const kept = await busyLog();
    expect(await verdict(kept)).toBeUndefined();
    const rows = await tamper("SELECT * FROM row WHERE n > ? - 2 ORDER BY n", kept.n);
    await tamper("DELETE FROM row WHERE n > ? - 2", kept.n);
    // What is left is whole in itself.
    expect(await verdict()).toBeUndefined();
    expect(await verdict(kept)).toMatchObject({ fault: expect.stringContaining("ends at row") as string });
    expect(rows).toHaveLength(2);
    expect(await verdict({ n: kept.n - 2, chain: "another" })).toMatchObject({ row: kept.n - 2 });
    expect(readCheckpoint("x")).toBeUndefined();
    expect(readCheckpoint((await readLog()).checkpoint.replace(/^[^.]*/, "e30"))).toBeUndefined();
  });
});

describe("tokens and their rows (U06)", () => {
  it("U06 are one to one, also when many are minted at once; a row too many or too few shows", async () => {
    const { bot, sessionToken, proxyToken, opened } = await atWork(1);
    const answers = await Promise.all(Array.from({ length: 20 }, () => bot.exchange(sessionToken, PROXY)));
    await bot.exchange(sessionToken, "https://elsewhere.test");
    const tokens = [sessionToken, proxyToken, ...answers.map(({ body }) => String(body["access_token"]))];
    await tick(opened.session_id);
    const minted = (await readLog()).rows
      .filter(({ source, type }) => source === opened.session_id && type === "token.minted")
      .map(({ data }) => (JSON.parse(data) as { jti: string }).jti);
    expect(minted.toSorted()).toEqual(tokens.map((token) => String(claimsOf(token)["jti"])).toSorted());
    const last = `(SELECT max(n) FROM row WHERE type = 'token.minted')`;
    await tamper(
      `INSERT INTO row SELECT (SELECT max(n) + 1 FROM row), source, seq + 100, at, type, data, hash, chain FROM row WHERE n = ${last}`,
    );
    expect(await verdict()).toBeDefined();
    await tamper(`DELETE FROM row WHERE n >= ${last}`);
    await tamper(`DELETE FROM row WHERE n = ${last}`);
    expect(await verdict(readCheckpoint((await readLog()).checkpoint))).toBeDefined();
  });
});

describe("who may read and who may write (U08, W04)", () => {
  it("U08 W04 takes the operator's token in its own header, and nothing else that anybody holds", async () => {
    const { sessionToken, proxyToken, opened } = await atWork(1);
    const link = (await sessionObject(opened.session_id).link("dana"))?.token ?? "";
    const before = await (await admin("GET", "/admin/tenant")).json();
    const good = (await admin("GET", "/admin/sessions")).status;
    expect(good).toBe(200);
    const attempts: Record<string, string>[] = [
      {},
      { cookie: `session=${sessionToken}; admin=1`, origin: ISSUER },
      { cookie: "session=x", origin: "https://evil.example", "sec-fetch-site": "cross-site" },
      ...[sessionToken, proxyToken, link].flatMap((token) => [
        { authorization: `Bearer ${token}` },
        { authorization: `DPoP ${token}` },
      ]),
    ];
    const paths: [string, string][] = [
      ["POST", "/admin/tenant"],
      ["POST", "/admin/revoke"],
      ["POST", `/admin/sessions/${opened.session_id}/revoke`],
      ["POST", "/admin/agents/bot-1/revoke"],
      ["PUT", "/admin/secrets/API_KEY"],
      ["POST", "/admin/keys/rotate"],
      ["GET", "/admin/audit"],
    ];
    for (const headers of attempts)
      for (const [method, path] of paths) {
        const response = await fetch(ISSUER + path, {
          method,
          headers: { "content-type": "application/json", ...headers },
          ...(method === "GET" ? {} : { body: "{}" }),
        });
        expect([path, response.status]).toEqual([path, 401]);
        expect(
          [...response.headers.keys()].filter((name) => name.startsWith("access-control") || name === "set-cookie"),
        ).toEqual([]);
      }
    expect(await (await admin("GET", "/admin/tenant")).json()).toEqual(before);
    expect((await sessionObject(opened.session_id).inspect())?.state.status).toBe("active");
  });

  it("W04 changes nothing by GET, nor by a form or a text that a page could post", async () => {
    const { opened } = await atWork(1);
    for (const path of [
      "/admin/revoke",
      `/admin/sessions/${opened.session_id}/revoke`,
      "/admin/keys/rotate",
      "/admin/agents/bot-1/revoke",
    ])
      expect((await admin("GET", path)).status, path).toBe(404);
    const authorization = await adminAuthorization();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      const response = await fetch(`${ISSUER}/admin/revoke`, {
        method: "POST",
        headers: { authorization, "content-type": type },
        body: "{}",
      });
      expect(response.status, type).toBe(415);
    }
    expect((await sessionObject(opened.session_id).inspect())?.state.status).toBe("active");
  });

  it("U08 lets an auditor decide nothing, though a policy names them", async () => {
    const document = (await tenantDocument()) as { people: object[]; policies: object[] };
    const people = [...document.people, { id: "ada", name: "Ada", roles: ["auditor"] }];
    const policies = document.policies.map((policy) => ({ ...policy, approvers: ["ada"] }));
    await applyDocument({ ...document, people, policies });
    const bot = await agent(1);
    expect(await bot.ask(ASK)).toMatchObject({ status: 403, body: { error: "access_denied" } });
    await applyDocument({ ...document, people });
    const { body: opened } = await bot.ask(ASK);
    expect(await sessionObject(opened.session_id).view("ada")).toEqual({ ok: false, error: "not_an_approver" });
    expect(await sessionObject(opened.session_id).link("ada")).toBeUndefined();
  });
});

describe("what people and agents wrote (U10, B20)", () => {
  const WORDS = "Call Ms Example about her operation";
  /** Far more than what is shown of it. */
  const LONG = 10000;
  const KEPT_SECONDS = 31 * 24 * 3600;

  it("U10 is deleted with its session, and the log that told of it stays whole", async () => {
    const bot = await agent(1);
    const { body: opened } = await bot.ask({ ...ASK, task: { title: WORDS, description: WORDS } as never });
    const stored = async (id: string) => JSON.stringify(await inStorage(id, "SELECT state, setting FROM session"));
    expect(await stored(opened.session_id)).toContain(WORDS);
    for (const second of [3600, 3601, 3602, 3602 + KEPT_SECONDS]) {
      at(second);
      await tick(opened.session_id);
    }
    expect(await sessionObject(opened.session_id).inspect()).toBeUndefined();
    expect(await verdict()).toBeUndefined();
    const { rows } = await readLog();
    expect(rows.map(({ type }) => type)).toContain("session.ended");
    expect(JSON.stringify(rows)).not.toContain(WORDS);
    for (const object of [
      env.AGENT.getByName(objectName(ISSUER, "bot-1")),
      env.PERSON.getByName(objectName(ISSUER, "dana")),
    ])
      for (const table of ["event", "ask", "waiting"]) {
        const kept = await runInDurableObject(object as never, (_: object, state) => {
          const [made] = state.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = ?", table).toArray();
          return made === undefined ? [] : state.storage.sql.exec(`SELECT * FROM ${table}`).toArray();
        });
        expect(JSON.stringify(kept)).not.toContain(WORDS);
      }
  });

  it("B20 takes no more room than its agents' open requests, each of bounded length, however much is sent", async () => {
    const bot = await agent(1);
    const longTask = (n: number) => ({ title: `${n} ${"é".repeat(LONG)}`, description: "x".repeat(LONG) });
    const ids: string[] = [];
    for (let n = 0; n < 30; n += 1) {
      const { status, body } = await bot.ask({
        ...ASK,
        task: longTask(n),
      });
      if (status === 202) ids.push(body.session_id);
      else expect(status).toBe(429);
    }
    expect(ids).toHaveLength(5);
    for (const id of ids) {
      const [row] = await inStorage(id, "SELECT length(state) + length(setting) AS n FROM session");
      expect(Number(row?.["n"])).toBeLessThan(16_000);
    }
    const bytes = await runInDurableObject(
      env.AGENT.getByName(objectName(ISSUER, "bot-1")),
      (_, state) => JSON.stringify(state.storage.sql.exec("SELECT * FROM ask").toArray()).length,
    );
    expect(bytes).toBeLessThan(2000);
    // A request that repeats an open one adds nothing at all.
    const again = await bot.ask({
      ...ASK,
      task: longTask(0),
    });
    expect(again.body.session_id).toBe(ids[0]);
  });
});

describe("a registration and a document of the same name (M27)", () => {
  const ID = "https://tools.acme.com/clients/x.json";

  it("M27 is the operator's to make: the document at that address is neither fetched nor believed", async () => {
    const document = (await tenantDocument()) as { agents: object[]; policies: { agents: string[] }[] };
    await applyDocument({
      ...document,
      agents: [...document.agents, { ...document.agents[0], client_id: ID, name: "Registered" }],
      client_metadata_hosts: [{ host: "tools.acme.com", owner: "sam" }],
      policies: document.policies.map((policy) => ({ ...policy, agents: [...policy.agents, ID] })),
    });
    const asked: string[] = [];
    const inner = globalThis.fetch;
    globalThis.fetch = ((input: string, init?: RequestInit) => (asked.push(input), inner(input, init))) as never;
    const registered = await client(ID);
    expect((await registered.ask(ASK)).status).toBe(202);
    expect(asked.every((url) => url.startsWith(ISSUER))).toBe(true);
  });
});
