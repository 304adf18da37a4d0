import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { Agent, type Session } from "../sdk/agent/index.ts";
import { Approver, claimsOf, linksIn } from "./support/approver.ts";
import { READ_API, startTestWorld, type TestWorld } from "./support/world.ts";

const page = readFileSync(join(ROOT, "docs", "sdk.md"), "utf8");
const block = (name: string): string => new RegExp(`\`\`\`ts ${name}\n([^]*?)\`\`\``).exec(page)?.[1] ?? "";

let world: TestWorld;
let session: Session;
let folder = "";
let resource = "";
let port = 0;
beforeAll(async () => {
  port = await freePort();
  resource = `http://localhost:${port}/mcp`;
  world = await startTestWorld({ serverPort: port });
  folder = projectWithSdk();
  const { issuer, keys } = world;
  const pending = await new Agent({ issuer, clientId: "other-bot", key: keys.otherAgent.privateJwk }).ask({
    task: { title: "Drive the servers of the page" },
    authorization_details: [{ type: "mcp_tools", server: "tickets", actions: ["list_issues"] }, READ_API],
    expires_in: 600,
  });
  await (await Approver.bySlack(world, "dana", pending.id)).approve();
  session = await pending.wait();
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true });
});

/** A project of its own, in which the SDK is installed by its name. */
function projectWithSdk(): string {
  const made = mkdtempSync(join(tmpdir(), "stint-sdk-"));
  const install = (name: string, from: string): void => {
    const place = join(made, "node_modules", name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(from, place);
  };
  install("@stint/sdk", join(ROOT, "sdk"));
  for (const name of ["@modelcontextprotocol", "hono", "zod"]) install(name, join(ROOT, "node_modules", name));
  writeFileSync(join(made, "package.json"), '{"type":"module"}');
  return made;
}

/** Runs a file of that project. */
function run(name: string, code: string): { child: ChildProcess; lines: string[] } {
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, code);
  const child = spawn(process.execPath, [file], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  child.stdout!.on("data", (chunk: Buffer) => lines.push(...chunk.toString().split("\n")));
  return { child, lines };
}

/** A block, with what it takes from its surroundings. */
const withGiven = (name: string, key: object): string =>
  `const { issuer, resource, key } = ${JSON.stringify({ issuer: world.issuer, resource, key })};\n${block(name)}`;

/** Uses the server that stands there now, as an agent would. */
async function drive(mcp: boolean): Promise<string> {
  expect((await fetch(resource)).status).toBe(401);
  const call = session.fetch(resource);
  if (!mcp) return (await call(resource)).text();
  const client = new Client({ name: "host", version: "1.0.0" });
  await client.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch: call }));
  const said = await client.callTool({ name: "list_issues", arguments: { repository: "acme/api" } });
  await client.close();
  expect(said.isError).toBeUndefined();
  return (said.content as { text: string }[])[0]!.text;
}

/** The compatibility date from which workers have parts of Node is 2026-08-04. */
const BEFORE_NODE_COMPAT = "2026-07-01";

const workerdConfig = (): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "dist/worker.js")],
      compatibilityDate = "${BEFORE_NODE_COMPAT}",
      globalOutbound = "loopback"
    )),
    (name = "loopback", network = (allow = ["private"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
`;

describe("docs/sdk.md, as it stands", () => {
  it.each(["mcp", "hono", "plain"])("guards a server: %s", async (name) => {
    writeFileSync(join(folder, `${name}-server.ts`), withGiven(name, world.keys.server.privateJwk));
    const { child, lines } = run(
      name,
      `import server from "./${name}-server.ts";
       import { listen } from "${join(ROOT, "examples", "listen.ts")}";
       await listen(${port}, "http://localhost:${port}", (request) => server.fetch(request));
       console.log("ready");`,
    );
    const ended = new Promise((done) => void child.on("exit", done));
    try {
      await until("the server", async () => lines.find((line) => line === "ready"));
      expect(JSON.parse(await drive(name === "mcp"))).toEqual(expect.any(Array));
      if (name === "plain") expect((await session.fetch(resource)(resource, { method: "POST" })).status).toBe(403);
    } finally {
      child.kill();
      await ended;
    }
  });

  it("guards a server in plain workerd too, with nothing of Node's", async () => {
    writeFileSync(join(folder, "worker.ts"), withGiven("mcp", world.keys.server.privateJwk));
    const wrangler = join(ROOT, "node_modules", ".bin", "wrangler");
    const args = ["deploy", "worker.ts", "--dry-run", "--outdir", "dist", "--name", "tickets"];
    const built = spawnSync(wrangler, [...args, "--compatibility-date", BEFORE_NODE_COMPAT], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
    });
    expect([built.status, built.stderr]).toEqual([0, expect.not.stringContaining("node:")]);
    writeFileSync(join(folder, "config.capnp"), workerdConfig());
    const workerd = join(ROOT, "node_modules", ".bin", "workerd");
    const child = spawn(workerd, ["serve", "config.capnp"], { cwd: folder, stdio: "inherit" });
    const ended = new Promise((done) => void child.on("exit", done));
    try {
      await until("the worker", () => fetch(resource).catch(() => undefined));
      expect(JSON.parse(await drive(true))).toEqual(expect.any(Array));
    } finally {
      child.kill();
      await ended;
    }
  });

  it("starts the example server as a program of its own", async () => {
    const keyFile = join(folder, "key.json");
    writeFileSync(keyFile, JSON.stringify(world.keys.server.privateJwk));
    const entry = join(ROOT, "examples", "ticket-server", "main.ts");
    const child = spawn(process.execPath, [entry, world.issuer, resource, keyFile], { stdio: "inherit" });
    const ended = new Promise((done) => void child.on("exit", done));
    try {
      await until("the server", () => fetch(resource).catch(() => undefined));
      const there = await world.emulators.issues("acme/api");
      expect((await drive(true)).split("\n").filter((line) => line !== "")).toHaveLength(there.length);
    } finally {
      child.kill();
      await ended;
    }
  });

  it("is an agent", async () => {
    const { child, lines } = run("agent", withGiven("agent", world.keys.agent.privateJwk));
    const ended = new Promise((done) => void child.on("exit", done));
    const dana = await world.emulators.slackId("dana");
    const link = await until("the approver's link", async () =>
      (await world.emulators.directMessages(dana))
        .flatMap(linksIn)
        .find((token) => claimsOf(token)["sid"] !== session.id),
    );
    await new Approver(world.issuer, link).approve();
    expect(await ended).toBe(0);
    expect(lines[0]).toMatch(/^Waiting for a human\. Match code: \S+$/);
    expect(lines).toContain("200");
    expect(lines.some((line) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(line))).toBe(true);
  });
});
