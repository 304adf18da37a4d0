import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";
import { startTasksFixture } from "./support/tasks-fixture.ts";
import { startProvingAdapter, type ProvingAdapter } from "./support/proving-adapter.ts";
import { approvedSession, ECHO, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let adapter: ProvingAdapter;
beforeAll(async () => {
  world = await startTestWorld();
  const session = await approvedSession(world, { authorization_details: [ECHO] });
  const token = tokenOf(await session.agent.exchange(session.sessionToken, `${world.issuer}/mcp`));
  adapter = await startProvingAdapter(world, session, token, "/mcp");
});
afterAll(async () => {
  await adapter?.close();
  await world?.close();
});

function suite(args: readonly string[], url = adapter.url): Promise<{ code: number | null; output: string }> {
  const path = join(ROOT, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js");
  const child = spawn(process.execPath, [path, "server", "--url", url, ...args]);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((done) => child.on("exit", (code) => done({ code, output })));
}

describe("@modelcontextprotocol/conformance, server mode, against Stint's own tools", () => {
  it.each([
    ["2025-11-25", "server-initialize"],
    ["2025-11-25", "ping"],
    ["2025-11-25", "tools-list"],
    ["2025-11-25", "dns-rebinding-protection"],
    ["2026-07-28", "tools-list"],
    ["2026-07-28", "http-header-validation"],
    ["2026-07-28", "dns-rebinding-protection"],
  ])("revision %s, scenario %s", async (version, scenario) => {
    const { code, output } = await suite(["--spec-version", version, "--scenario", scenario]);
    expect([code, output]).toEqual([0, expect.stringMatching(/0 failed/)]);
  });

  it("revision 2026-07-28, scenario server-stateless: all of it that needs no tools made for the suite", async () => {
    const { output } = await suite(["--spec-version", "2026-07-28", "--scenario", "server-stateless"]);
    const failures = output.split("\n").filter((line) => line.includes("FAILURE"));
    const reasons = output.split("\n").filter((line) => line.trimStart().startsWith("Error:"));
    expect(output).toContain("Passed: 24/28");
    expect(reasons).toHaveLength(failures.length);
    for (const reason of reasons) expect(reason).toContain("server does not list the diagnostic tool");
  });
});

describe("@modelcontextprotocol/conformance, tasks, against tools that are put on the wire by the same code", () => {
  let fixture: Awaited<ReturnType<typeof startTasksFixture>>;
  beforeAll(async () => {
    fixture = await startTasksFixture();
  });
  afterAll(async () => fixture?.close());

  // An extension stands on no revision's list; the suite runs its scenarios only when it is told to.
  const tasks = (scenario: string) =>
    suite(["--spec-version", "2026-07-28", "--force", "--scenario", scenario], fixture.url);

  it.each([
    ["tasks-capability-negotiation", 5],
    ["tasks-wire-fields", 4],
    ["tasks-request-state-removal", 3],
    ["tasks-mrtr-input", 4],
    ["tasks-request-headers", 5],
    ["tasks-dispatch-and-envelope", 9],
  ])("scenario %s", async (scenario, checks) => {
    const { code, output } = await tasks(scenario);
    expect([code, output]).toEqual([0, expect.stringContaining(`Passed: ${checks}/${checks}, 0 failed, 0 warnings`)]);
  });

  it("scenario tasks-lifecycle: all but a tool that breaks the protocol, which Stint has none of", async () => {
    const { output } = await tasks("tasks-lifecycle");
    expect(output).toContain("Passed: 8/9, 1 failed, 0 warnings");
    expect(output).toContain("Tool protocol_error_job not found");
  });
});
