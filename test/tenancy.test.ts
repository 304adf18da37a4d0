import { execFile, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AuditVerifier, type AuditRow } from "../cli/audit-verifier.ts";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { approvedSession, startTestWorld, type TestWorld } from "./support/world.ts";

const run = promisify(execFile);

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

const stint = async (...args: string[]) =>
  run(process.execPath, [join(ROOT, "cli", "main.ts"), ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (fault: { code: number; stdout: string; stderr: string }) => fault,
  );
const access = () => ["--url", world.issuer, "--data", world.broker.dataPath];

describe("the admin API (group W)", () => {
  it.each([
    ["no token", {}],
    ["another token", { authorization: "Bearer adm_x" }],
    ["the token of another tenant", "other"],
  ])("refuses %s", async (_, headers) => {
    const sent =
      headers === "other"
        ? { authorization: `Bearer ${world.broker.adminToken("https://other.test")}` }
        : (headers as Record<string, string>);
    for (const path of ["/admin/tenant", "/admin/sessions", "/admin/audit", "/admin/nothing"]) {
      expect((await fetch(world.issuer + path, { headers: sent })).status).toBe(401);
    }
  });

  it.each<[string, (document: Record<string, never>) => object, string]>([
    ["an unknown member", (document) => ({ ...document, extra: 1 }), ""],
    ["another issuer", (document) => ({ ...document, issuer: "https://other.test" }), "/issuer"],
    [
      "a private key",
      (document) => change(document, "agents", { jwks: { keys: [world.keys.agent.privateJwk] } }),
      "/agents/0/jwks/keys/0",
    ],
    [
      "a symmetric key",
      (document) => change(document, "agents", { jwks: { keys: [{ kty: "oct", k: "AAAA" }] } }),
      "/agents/0/jwks/keys/0/kty",
    ],
    [
      "two keys of one kid",
      (document) =>
        change(document, "agents", { jwks: { keys: [world.keys.agent.publicJwk, world.keys.agent.publicJwk] } }),
      "/agents/0/jwks",
    ],
    [
      "an owner who is not there",
      (document) => change(document, "agents", { owner: "nobody@acme.example" }),
      "/agents/0/owner",
    ],
    [
      "I11 a name like another's",
      (document) => change(document, "agents", { name: "release  NOTES" }),
      "/agents/1/name",
    ],
    [
      "I04 a name of mixed alphabets",
      (document) => change(document, "agents", { name: "Tri\u0430ge bot" }),
      "/agents/0/name",
    ],
    [
      "a name with a bidirectional mark",
      (document) => change(document, "agents", { name: "x\u202Ey" }),
      "/agents/0/name",
    ],
    [
      "W05 a policy for everything",
      (document) => change(document, "policies", { allow: ["*"] }),
      "/policies/0/allow/0",
    ],
    [
      "a policy for every upstream",
      (document) => change(document, "policies", { allow: ["*:issues:read@acme/api"] }),
      "/policies/0/allow/0",
    ],
    [
      "a duration in words",
      (document) => change(document, "policies", { max_duration: "soon" }),
      "/policies/0/max_duration",
    ],
    [
      "an approver who is not there",
      (document) => change(document, "policies", { approvers: ["nobody@acme.example"] }),
      "/policies/0/approvers/0",
    ],
    [
      "an upstream with a password in its URL",
      (document) => change(document, "upstreams", { base_url: "https://u:p@api.github.com" }),
      "/upstreams/0/base_url",
    ],
    [
      "a secret by value",
      (document) => change(document, "upstreams", { private_key: "-----BEGIN" }),
      "/upstreams/0/private_key",
    ],
    [
      "one of the broker's own secrets",
      (document) => change(document, "upstreams", { private_key: { secret: "STINT_KEK" } }),
      "/upstreams/0/private_key/secret",
    ],
    [
      "an unknown catalogue",
      (document) => change(document, "upstreams", { catalogue: "nobody" }),
      "/upstreams/0/catalogue",
    ],
    [
      "a server under the issuer",
      (document) => change(document, "servers", { resource: `${world.issuer}/proxy/github` }),
      "/servers/0/resource",
    ],
    [
      "a tool for an unknown operation",
      (document) => change(document, "servers", { tools: { x: { access: "read", operations: ["github:nothing"] } } }),
      "/servers/0/tools/x/operations",
    ],
    [
      "E03 two addresses in one",
      (document) => change(document, "people", { email: "a@x.test,b@y.test" }),
      "/people/0/email",
    ],
  ])("refuses a document with %s, and says where", async (_, make, path) => {
    const { status, body } = await world.broker.admin(
      "POST",
      "/admin/tenant",
      make(structuredClone(world.document) as never),
    );
    expect(status).toBe(400);
    expect((body["problems"] as { path: string }[]).map((problem) => problem.path)).toContain(path);
  });

  it("N01 answers 404 to ids that are not its own", async () => {
    for (const id of ["ses_AAAAAAAAAAAAAAAAAAAAAA", "ses_x", "..%2F..", "%00"]) {
      expect((await world.broker.admin("GET", `/admin/sessions/${id}`)).status).toBe(404);
      expect((await world.broker.admin("POST", `/admin/sessions/${id}/revoke`, {})).status).toBe(404);
    }
  });
});

describe("the command line", () => {
  it("says what it can, and what is wrong with a command", async () => {
    expect((await stint("--help")).stdout).toContain("stint COMMAND");
    for (const command of [
      "serve",
      "apply",
      "secrets",
      "sessions",
      "revoke",
      "receipt",
      "audit",
      "admin-token",
      "keygen",
      "request",
    ]) {
      expect((await stint(command, "--help")).stdout).toMatch(/^Usage: stint/);
    }
    expect(await stint("nonsense")).toMatchObject({ code: 2, stderr: expect.stringContaining("no command") });
    expect(await stint("serve", "--nonsense")).toMatchObject({ code: 2 });
    expect(await stint("serve", "--port", "99999")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--port"),
    });
    expect(await stint("apply", "/nowhere.json")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("cannot be read"),
    });
    expect(await stint("sessions", "--url", "http://localhost:1")).toMatchObject({ code: 1 });
  });

  it("refuses a second broker over the same data, and a port that is taken", async () => {
    expect(await stint("serve", "--port", "0", "--data", world.broker.dataPath)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("another broker"),
    });
    expect(
      await stint("serve", "--port", String(world.broker.port), "--data", `${world.broker.dataPath}-other`),
    ).toMatchObject({ code: 1, stderr: expect.stringContaining("in use") });
  });

  it("FL refuses to start over data that was sealed under another key, or whose key is gone", async () => {
    const data = mkdtempSync(join(tmpdir(), "stint-kek-"));
    const serve = (): ReturnType<typeof stint> => stint("serve", "--port", "0", "--data", data, "--json");
    const first = spawn(process.execPath, [
      join(ROOT, "cli", "main.ts"),
      "serve",
      "--port",
      "0",
      "--data",
      data,
      "--json",
    ]);
    const listening = await new Promise<string>(
      (done) => void first.stdout.once("data", (chunk: Buffer) => done(chunk.toString())),
    );
    const { port } = JSON.parse(listening) as { port: number };
    const ended = new Promise((done) => void first.once("exit", done));
    first.kill("SIGTERM");
    await ended;
    writeFileSync(join(data, "kek"), Buffer.alloc(32, "another key").toString("base64url"));
    const again = await stint("serve", "--port", String(port), "--data", data);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("does not open") });
    expect(again.stdout).toContain("tenant.keys_do_not_open");
    rmSync(join(data, "kek"));
    expect(await serve()).toMatchObject({ code: 1, stderr: expect.stringContaining("kek is missing") });
    writeFileSync(join(data, "kek"), "x", { mode: 0o644 });
    chmodSync(join(data, "kek"), 0o644);
    expect(await serve()).toMatchObject({ code: 1, stderr: expect.stringContaining("chmod 600") });
    rmSync(data, { recursive: true });
  });

  it("keeps its keys for its owner alone", () => {
    for (const file of ["kek", "admin-key"]) expect(statSync(join(world.broker.dataPath, file)).mode & 0o077).toBe(0);
    expect(statSync(world.broker.dataPath).mode & 0o077).toBe(0);
  });

  it("lists, revokes, and prints the receipt of a session", async () => {
    const { sessionId } = await approvedSession(world);
    await until("the index", async () =>
      (await stint("sessions", ...access())).stdout.includes(sessionId) ? true : undefined,
    );
    expect((await stint("revoke", sessionId, "--reason", "enough", ...access())).stdout).toContain(
      `Revoked ${sessionId}`,
    );
    await until("the receipt", async () =>
      (await stint("receipt", sessionId, ...access())).stdout.includes('"outcome": "revoked"') ? true : undefined,
    );
  });
});

describe("the audit log (group U)", () => {
  it("U02 U03 verifies, and names the first row that was touched, or what a kept checkpoint says is gone", async () => {
    await approvedSession(world);
    await until("the ledger", async () => ((await rows()).length > 5 ? true : undefined));
    expect((await stint("audit", "verify", ...access())).stdout).toContain("every one fits");
    const kept = join(world.broker.dataPath, "checkpoint");
    writeFileSync(kept, (await stint("audit", "checkpoint", ...access())).stdout);
    expect((await stint("audit", "verify", "--checkpoint", kept, ...access())).stdout).toContain("every one fits");
    const [head = "", claims = "", signature = ""] = readFileSync(kept, "utf8").split(".");
    const { n } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { n: number };
    for (const [changes, fault] of [
      [{ n: n + 100_000 }, "the log ends at row"],
      [{ chain: "another" }, "is not the one of which the checkpoint was kept"],
      [{ n: "x" }, "holds no checkpoint"],
    ] as const) {
      const other = { ...(JSON.parse(Buffer.from(claims, "base64url").toString()) as object), ...changes };
      writeFileSync(kept, [head, Buffer.from(JSON.stringify(other)).toString("base64url"), signature].join("."));
      expect(await stint("audit", "verify", "--checkpoint", kept, ...access())).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(fault),
      });
    }
    const all = await rows();
    const touched: Record<string, (list: AuditRow[]) => void> = {
      edited: (list) => list.splice(3, 1, { ...list[3]!, data: '{"x":1}' }),
      lost: (list) => list.splice(3, 1),
      doubled: (list) => list.splice(3, 0, list[3]!),
      swapped: (list) => list.splice(3, 2, list[4]!, list[3]!),
      backdated: (list) => list.splice(3, 1, { ...list[3]!, at: list[3]!.at - 60 }),
    };
    for (const [how, touch] of Object.entries(touched)) {
      const list = [...all];
      touch(list);
      const verifier = new AuditVerifier();
      expect(
        list.map((row) => verifier.add(row)).find((fault) => fault !== undefined),
        how,
      ).toBeDefined();
    }
  });

  it("U01 P11 holds no secret, token or link in the log, the audit or on disk", async () => {
    const { agent, sessionToken, proxyToken, authReqId } = await approvedSession(world);
    const token = await proxyToken("github");
    await agent.call(token, "GET", "/proxy/github/repos/acme/api/issues");
    await agent.call(await proxyToken("echo"), "GET", "/proxy/echo/things");
    await until("the ledger", async () =>
      (await rows()).some(({ type }) => type === "lease.minted") ? true : undefined,
    );
    const { secrets } = world.emulators;
    const planted = [
      sessionToken,
      token,
      authReqId,
      "weather-secret-key",
      ...Object.values(secrets),
      world.broker.adminToken(),
      "ghs_",
    ];
    const places = [
      world.broker.output(),
      JSON.stringify(await rows()),
      ...filesUnder(join(world.broker.dataPath, "objects")),
    ];
    for (const [at, place] of places.entries()) {
      for (const secret of planted) {
        for (const spelling of [
          secret,
          Buffer.from(secret).toString("base64").replace(/=+$/, ""),
          Buffer.from(secret).toString("hex"),
        ]) {
          expect(place.includes(spelling.slice(0, 60)), `place ${at} holds ${secret.slice(0, 6)}…`).toBe(false);
        }
      }
      expect(place).not.toContain("stint-approval+jwt");
    }
  });
});

async function rows(): Promise<AuditRow[]> {
  const list: AuditRow[] = [];
  for (let after = 0; ;) {
    const { body } = await world.broker.admin("GET", `/admin/audit?after=${after}`);
    const page = body["rows"] as AuditRow[];
    if (page.length === 0) return list;
    list.push(...page);
    after = page.at(-1)!.n;
  }
}

function filesUnder(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
}

function change(document: Record<string, object[]>, list: string, members: object): object {
  return { ...document, [list]: document[list]!.map((item, at) => (at === 0 ? { ...item, ...members } : item)) };
}
