import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MCP_HOSTS } from "../cli/mcp-hosts.ts";
import { programEnvironment } from "../cli/program-environment.ts";
import { ROOT } from "../scripts/build.ts";
import { agentMachine, approverOf, type AgentMachine } from "./support/stint-process.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

const doc = readFileSync(join(ROOT, "docs", "agents.md"), "utf8");
const block = (name: string): string => new RegExp(`\`\`\`sh ${name}\n([^]*?)\`\`\``).exec(doc)?.[1] ?? "";

let world: TestWorld;
let machine: AgentMachine;
beforeAll(async () => {
  world = await startTestWorld();
  machine = agentMachine(world);
  writeFileSync(
    join(machine.folder, "stint"),
    `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "cli", "main.ts")}" "$@"\n`,
  );
  chmodSync(join(machine.folder, "stint"), 0o755);
});
afterAll(async () => {
  machine?.remove();
  await world?.close();
});

function shell(script: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn("sh", ["-ec", script], {
    cwd: machine.folder,
    env: { ...process.env, PATH: `${machine.folder}:${process.env["PATH"] ?? ""}` },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((done) => void child.on("close", (code) => done({ code, stdout, stderr })));
}

describe("docs/agents.md", () => {
  it("has commands that work as they stand there", async () => {
    const made = await shell(block("keygen"));
    expect(made.code).toBe(0);
    const { agents } = world.document as { agents: { client_id: string }[] };
    const jwks = { keys: [JSON.parse(made.stdout)] };
    const document = {
      ...world.document,
      agents: agents.map((agent) => (agent.client_id === "triage-bot" ? { ...agent, jwks } : agent)),
    };
    expect((await world.broker.admin("POST", "/admin/tenant", document)).status).toBe(200);
    const settings = block("settings").replace("http://localhost:8787", world.issuer);
    writeFileSync(join(machine.folder, "triage.sh"), block("triage.sh"));
    const running = shell(settings + block("run"));
    await (await approverOf(world, "Triage new issues")).approve();
    expect(await running).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"title":"Found by triage"'),
      stderr: expect.stringMatching(/completed; 2 calls, 0 refused/),
    });
    expect(await shell(block("verify"))).toMatchObject({ code: 0 });
    const printed = await shell(settings + block("print-config"));
    expect(JSON.parse(printed.stdout)).toHaveProperty("mcpServers.stint.command");
    expect(Object.keys(MCP_HOSTS)).toContain("claude-code");
  });

  it("names every variable that a program is given", () => {
    const all = ["github", "linear", "notion", "slack", "stripe", "gmail", "google-calendar", "google-drive"];
    const given = Object.keys(programEnvironment({}, all, (upstream) => upstream));
    const named = given.filter((name) => !/^STINT_UPSTREAM_|^no_proxy$|^NO_PROXY$/.test(name));
    expect(named.length).toBeGreaterThan(all.length);
    expect(named.filter((name) => !doc.includes(`\`${name}\``))).toEqual([]);
  });
});
