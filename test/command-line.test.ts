import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { KEY_USES } from "../src/crypto/signing-key.ts";
import { Approver, linksIn } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { stint } from "./support/run-stint.ts";
import { approverOf } from "./support/stint-process.ts";
import { approvedSession, ask, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let folder: string;
beforeAll(async () => {
  world = await startTestWorld({ secrets: { WEATHER_KEY: "" } });
  folder = mkdtempSync(join(tmpdir(), "stint-cli-"));
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const access = () => ["--url", world.issuer, "--data", world.broker.dataPath];

describe("stint, as an operator types it", () => {
  it("applies a document: shows the difference first, then makes it so, then finds nothing to do", async () => {
    const file = join(folder, "tenant.json");
    const { people } = world.document as { people: object[] };
    writeFileSync(
      file,
      JSON.stringify({ ...world.document, people: [...people, { id: "kim@acme.example", name: "Kim" }] }),
    );
    const dry = await stint(["apply", file, "--dry-run", "--data", world.broker.dataPath]);
    expect(dry).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /\+ \/people\/2: .*kim@acme\.example[^]*! \/policies\/0\/assurance[^]*Nothing was applied/,
      ),
    });
    expect((await stint(["apply", file, "--data", world.broker.dataPath])).stdout).toContain("Applied as version");
    expect((await stint(["apply", file, "--data", world.broker.dataPath])).stdout).toContain("No change");
    writeFileSync(file, JSON.stringify({ ...world.document, extra: 1 }));
    expect(await stint(["apply", file, "--data", world.broker.dataPath])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("extra"),
    });
    writeFileSync(file, '{\n  "issuer": \n}');
    expect(await stint(["apply", file])).toMatchObject({ code: 1, stderr: expect.stringMatching(/not JSON/) });
  });

  it("seals a secret from standard input, and sessions use it", async () => {
    const session = await approvedSession(world);
    const token = await session.proxyToken("echo");
    expect((await session.agent.call(token, "GET", "/proxy/echo/things")).status).toBe(503);
    expect(await stint(["secrets", "set", "WEATHER_KEY", ...access()], "sealed-key\n")).toMatchObject({
      code: 0,
      stdout: "Sealed WEATHER_KEY.\n",
    });
    expect((await session.agent.call(token, "GET", "/proxy/echo/things")).status).toBe(200);
    expect(world.echo.seen.at(-1)?.headers["x-api-key"]).toBe("sealed-key");
    expect(await stint(["secrets", "set", "STINT_KEK", ...access()], "x")).toMatchObject({ code: 1 });
    await stint(["secrets", "set", "OLD_KEY", ...access()], "x");
    const listed = async () => (await stint(["secrets", "list", ...access()])).stdout;
    expect(await listed()).toMatch(/^GITHUB_APP_KEY +in the broker's environment$/m);
    expect(await listed()).toMatch(/^OLD_KEY +sealed, and nothing refers to it$/m);
    expect(await listed()).toMatch(/^WEATHER_KEY +sealed$/m);
    expect(await listed()).not.toContain("sealed-key");
    for (const name of ["OLD_KEY", "WEATHER_KEY"])
      expect(await stint(["secrets", "remove", name, ...access()])).toMatchObject({
        code: 0,
        stdout: `Removed ${name}.\n`,
      });
    expect(await listed()).toMatch(/^WEATHER_KEY +! missing$/m);
    expect(await listed()).not.toContain("OLD_KEY");
    expect(await stint(["secrets", "remove", "OLD_KEY", ...access()])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("stint secrets list names them"),
    });
    const later = await approvedSession(world);
    expect((await later.agent.call(await later.proxyToken("echo"), "GET", "/proxy/echo/things")).status).toBe(503);
    await until("its audit row", async () => (await auditRows(world)).find(({ type }) => type === "secret.removed"));
    await stint(["secrets", "set", "WEATHER_KEY", ...access()], "sealed-key");
    expect(await stint(["secrets", "set", "EMPTY", ...access()], "")).toMatchObject({ code: 1 });
  });

  it("makes a key, and asks for a session with it", async () => {
    const file = join(folder, "agent.jwk");
    const made = await stint(["keygen", file]);
    expect(statSync(file).mode & 0o077).toBe(0);
    const publicJwk = JSON.parse(made.stdout) as Record<string, unknown>;
    expect(publicJwk).not.toHaveProperty("d");
    expect(JSON.parse(readFileSync(file, "utf8"))).toHaveProperty("d");
    expect(await stint(["keygen", file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("never overwritten"),
    });

    const { agents } = world.document as { agents: { client_id: string; jwks: object }[] };
    const document = {
      ...world.document,
      agents: agents.map((agent) => (agent.client_id === "bot-60" ? { ...agent, jwks: { keys: [publicJwk] } } : agent)),
    };
    expect((await world.broker.admin("POST", "/admin/tenant", document)).status).toBe(200);
    const asking = stint([
      "request",
      "--url",
      world.issuer,
      "--client-id",
      "bot-60",
      "--key",
      file,
      "--task",
      "From the command line",
      "--access",
      "github:issues:read@acme/api",
      "--access",
      "mcp:tickets:open_issue",
      "--for",
      "10m",
    ]);
    const slackId = await world.emulators.slackId("dana");
    const token = await until(
      "the link",
      async () =>
        linksIn(
          (await world.emulators.directMessages(slackId)).find((message) =>
            message.includes("From the command line"),
          ) ?? "",
        )[0],
    );
    await new Approver(world.issuer, token).approve();
    const asked = await asking;
    expect(asked.stderr).toMatch(/Match code [A-Z0-9]{3}-[A-Z0-9]{3}/);
    expect(JSON.parse(asked.stdout)).toMatchObject({ token_type: "DPoP", session_id: expect.stringMatching(/^ses_/) });
  });

  it("ends as stint run does where a human refused", async () => {
    const file = join(folder, "refused.jwk");
    writeFileSync(file, JSON.stringify(world.keys.agent.privateJwk), { mode: 0o600 });
    const options = ["--client-id", "bot-59", "--key", file, "--task", "To be refused"];
    const asking = stint(["request", "--url", world.issuer, ...options, "--access", "github:issues:read@acme/api"]);
    await (await approverOf(world, "To be refused")).deny();
    expect(await asking).toMatchObject({ code: 121, stderr: expect.stringContaining("stint request: denied") });
  });

  it("says so where no broker answers, and asks nobody", async () => {
    const file = join(folder, "lonely.jwk");
    await stint(["keygen", file]);
    const url = `http://localhost:${await freePort()}`;
    const options = ["--client-id", "bot-60", "--key", file, "--task", "x", "--access", "github:issues:read@acme/api"];
    const asked = await stint(["request", "--url", url, ...options]);
    expect(asked).toMatchObject({
      code: 1,
      stderr: `stint request: no broker answers at ${url}; name it with --url\n`,
    });
  });

  it("prints an admin token that works elsewhere", async () => {
    const { stdout } = await stint(["admin-token", ...access()]);
    expect(
      (await fetch(`${world.issuer}/admin/sessions`, { headers: { authorization: `Bearer ${stdout.trim()}` } })).status,
    ).toBe(200);
  });
});

describe("stint keys", () => {
  it("lists the keys, rotates one kind, and retires one by its name", async () => {
    const listed = await stint(["keys", "list", ...access()]);
    expect(listed.stdout).toMatch(/^access_token +key_\S+ +signing/m);
    expect(await stint(["keys", "rotate", "--use", "checkpoint", ...access()])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^checkpoint: key_\S+ signs from \d{4}-/),
    });
    const kid =
      /^checkpoint +(key_\S+) +published/m.exec((await stint(["keys", "list", ...access()])).stdout)?.[1] ?? "";
    expect((await stint(["keys", "retire", kid, ...access()])).stdout).toContain(`${kid} is retired`);
    expect((await stint(["keys", "list", ...access()])).stdout).not.toContain(kid);
    expect(await stint(["keys", "retire", kid, ...access()])).toMatchObject({ code: 1 });
    expect(await stint(["keys", "rotate", "--use", "x", ...access()])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("use is one of"),
    });
    expect(await stint(["keys", "retire"])).toMatchObject({ code: 2 });
    const help = (await stint(["keys", "--help"])).stdout;
    expect(KEY_USES.filter((use) => !help.includes(use))).toEqual([]);
    expect(await stint(["keys"])).toMatchObject({ code: 2, stderr: expect.stringContaining("list, rotate or retire") });
  });
});

describe("stint accounts", () => {
  it("says what a person has linked, and what cannot be unlinked", async () => {
    const none = await stint(["accounts", "list", "dana@acme.example", ...access()]);
    expect(none.stdout).toContain("has linked no account");
    expect(await stint(["accounts", "unlink", "dana@acme.example", "notes", ...access()])).toMatchObject({ code: 1 });
    expect(await stint(["accounts", "unlink", "dana@acme.example"])).toMatchObject({ code: 2 });
    expect(await stint(["accounts", "link", "dana@acme.example"])).toMatchObject({ code: 2 });
  });
});

describe("stint invite and passkeys", () => {
  it("prints a link for a person who is there, lists what came of it, and takes it away", async () => {
    const invited = await stint(["invite", "dana@acme.example", ...access()]);
    expect(invited).toMatchObject({ code: 0, stdout: expect.stringMatching(/^http\S+\/enrol#\S+\n$/) });
    const none = await stint(["passkeys", "list", "dana@acme.example", ...access()]);
    expect(none.stdout).toContain("has no passkey");
    expect((await stint(["passkeys", "revoke", "dana@acme.example", ...access()])).stdout).toContain("0 taken away");
    expect(await stint(["passkeys", "revoke", "dana@acme.example", "x", ...access()])).toMatchObject({ code: 1 });
    expect(await stint(["invite", "nobody", ...access()])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("nothing of that name"),
    });
    expect(await stint(["invite"])).toMatchObject({ code: 2 });
    expect(await stint(["passkeys", "show", "x"])).toMatchObject({ code: 2 });
  });
});

describe("stint servers", () => {
  it("lists the servers, and accepts nothing that does not wait", async () => {
    const { code, stdout } = await stint(["servers", "list", ...access()]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^tickets +remote +http:\/\/localhost:9\/mcp +\(sam@acme\.example\) +0 tools accepted$/m);
    expect(await stint(["servers", "accept", "tickets", "--digest", "x", ...access()])).toMatchObject({ code: 1 });
    expect(await stint(["servers", "accept", "tickets", ...access()])).toMatchObject({ code: 2 });
  });
});

describe("stint connections", () => {
  it("lists the upstreams in words, and says that nothing is to be mended", async () => {
    const { code, stdout } = await stint(["connections", "list", ...access()]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^github +github_app +one for each session, taken back at the end$/m);
    expect(stdout).toMatch(/^echo +api_key +one for all sessions, never taken back$/m);
    expect(stdout).not.toContain("!");
    expect(await stint(["connections", "retry", "NOTHING", ...access()])).toMatchObject({ code: 1 });
    expect(await stint(["connections", "break", ...access()])).toMatchObject({ code: 2 });
  });
});

describe("stint for those who decide", () => {
  it("lets somebody stand in, and ends it", async () => {
    const end = new Date(Date.now() + 3_600_000).toISOString();
    const away = ["away", "sam@acme.example", "--until", end, "--delegate", "dana@acme.example"];
    expect(await stint([...away, ...access()])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("dana@acme.example may decide in the place of sam@acme.example"),
    });
    expect(await stint(["away", "sam@acme.example", "--back", ...access()])).toMatchObject({ code: 0 });
    expect(await stint(["away", "sam@acme.example", "--back", ...access()])).toMatchObject({ code: 1 });
    expect(await stint(["away", "sam@acme.example", ...access()])).toMatchObject({ code: 2 });
    expect(await stint(["away"])).toMatchObject({ code: 2 });
  });

  it("breaks no glass where the document has none, and lists its uses", async () => {
    const { session_id } = (await (await world.freshAgent()).ask(ask())).body;
    const glass = ["break-glass", session_id, "--as", "dana@acme.example", "--reason", "x", ...access()];
    expect(await stint(glass)).toMatchObject({ code: 1, stderr: expect.stringContaining("no break_glass") });
    const { people } = world.document as { people: object[] };
    await world.broker.admin("POST", "/admin/tenant", {
      ...world.document,
      people: [...people, { id: "lee@acme.example", name: "Lee", roles: ["admin"] }],
      break_glass: {},
    });
    glass[3] = "lee@acme.example";
    expect(await stint(glass)).toMatchObject({ code: 0, stdout: expect.stringContaining("/approve#") });
    expect((await stint(["break-glass", "list", ...access()])).stdout).toMatch(
      new RegExp(`${session_id}  lee@acme\\.example for bot-\\d+ \\(x\\)  NOT REVIEWED`),
    );
    expect(await stint(["break-glass", session_id, ...access()])).toMatchObject({ code: 2 });
    await world.broker.admin("POST", "/admin/tenant", world.document);
  });

  it("says whether an agent was suspended at all", async () => {
    const { clientId } = await world.freshAgent();
    expect(await stint(["reinstate", clientId, ...access()])).toMatchObject({
      code: 0,
      stdout: `${clientId} was not suspended.\n`,
    });
    expect(await stint(["reinstate", "nobody", ...access()])).toMatchObject({ code: 1 });
    expect(await stint(["reinstate", ...access()])).toMatchObject({ code: 2 });
  });
});

describe("stint, where something is amiss", () => {
  it("says what to do next", async () => {
    const { dataPath } = world.broker;
    for (const [args, code, said] of [
      [["sessions", "--url", `${world.issuer}/`], 2, "without a path or a final slash"],
      [["sessions", "--url", "http://stint.acme.example"], 2, "with http only on loopback"],
      [["sessions", "--json", ...access()], 2, "stint sessions --help tells more"],
      [["sessions", "ses_nothing", ...access()], 1, "stint sessions lists them"],
      [["receipt", "ses_nothing", ...access()], 1, "stint sessions lists them"],
      [["revoke", ...access()], 2, "stint revoke --help tells more"],
      [["passkeys", "list", "nobody", ...access()], 1, "its people and agents are in the tenant document"],
      [["reinstate", "nobody", ...access()], 1, "its people and agents are in the tenant document"],
      [["keys", "retire", "key_x", ...access()], 1, "stint keys list names them"],
      [["servers", "accept", "tickets", "--digest", "x", ...access()], 1, "stint servers list names them"],
      [["upstreams", "clear", "x", ...access()], 1, "stint upstreams list names them"],
      [["connections", "retry", "X", ...access()], 1, "stint connections list names them"],
      [["secrets", "set", "EMPTY", ...access()], 1, "stint secrets set EMPTY < FILE"],
      [["audit", "list", "--after", "x", ...access()], 2, "--after must be the number of a row"],
      [["auditor-token", "dana@acme.example", ...access()], 1, "among their roles"],
      [["auditor-token", "nobody", ...access()], 1, "its people and agents are in the tenant document"],
      [["auditor-token", "dana@acme.example", "--for", "long", ...access()], 2, "--for must be a time"],
      [["mcp", "--print-config", "x"], 2, "it is one of claude-desktop"],
      [["run", "--task", "x", "--access", "mcp:tickets:open_issue", "--", "true"], 2, "stint mcp and the SDK"],
      [
        ["request", "--client-id", "x", "--key", "none.jwk", "--task", "x", "--access", "a:b"],
        1,
        "stint keygen none.jwk",
      ],
    ] as const)
      expect(await stint([...args]), args.join(" ")).toMatchObject({ code, stderr: expect.stringContaining(said) });
    expect(
      await stint(["audit", "list", "--url", world.issuer, "--data", dataPath], "", { STINT_ADMIN_TOKEN: "adt_x.y" }),
    ).toMatchObject({ code: 1, stderr: expect.stringContaining("stint auditor-token makes another") });
  });

  it("goes where STINT_URL says, with every command", async () => {
    const session = await approvedSession(world);
    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    const env = { STINT_URL: world.issuer };
    const data = ["--data", world.broker.dataPath];
    const bundle = await until("the receipt", async () => {
      const printed = await stint(["receipt", session.sessionId, "--bundle", ...data], "", env);
      return printed.code === 0 ? printed.stdout : undefined;
    });
    const file = join(folder, "bundle.json");
    writeFileSync(file, bundle);
    expect(await stint(["verify", file])).toMatchObject({ code: 0 });
    expect((await stint(["admin-token", ...data], "", env)).stdout.trim()).toBe(world.broker.adminToken());
    const shown = JSON.parse((await stint(["sessions", session.sessionId, ...data], "", env)).stdout) as object;
    expect(shown).toMatchObject({ status: "ended", how: "completed" });
    const rows = (await stint(["audit", "list", "--session", session.sessionId, ...data], "", env)).stdout;
    expect(
      rows
        .trim()
        .split("\n")
        .map((row) => (JSON.parse(row) as { source: string }).source),
    ).toContain(session.sessionId);
    expect(rows).not.toContain('"source":"tenant","seq":1,');
  });

  it("derives an admin token from the key of a broker elsewhere", async () => {
    const key = readFileSync(join(world.broker.dataPath, "admin-key"), "utf8").trim();
    const env = { STINT_ADMIN_KEY: key, STINT_URL: world.issuer };
    expect((await stint(["admin-token"], "", env)).stdout.trim()).toBe(world.broker.adminToken());
  });

  it("stops without a word when nobody reads on", async () => {
    const command = `"${process.execPath}" "${join(ROOT, "cli", "main.ts")}" audit list --url ${world.issuer} --data "${world.broker.dataPath}" | true`;
    const { status, stderr } = spawnSync("bash", ["-o", "pipefail", "-c", command], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("says which release it is", async () => {
    expect((await stint(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
