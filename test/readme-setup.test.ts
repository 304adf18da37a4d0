import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Client,
  DpopSession,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientProvider,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { startEmulators, type Emulators } from "../demo/emulators.ts";
import { freePort } from "../demo/free-port.ts";
import { until } from "../demo/until.ts";
import { addVirtualPasskey, makePasskey } from "../demo/virtual-passkey.ts";
import { ROOT } from "../scripts/build.ts";
import { startCallback } from "./support/loopback-callback.ts";

const READ_ISSUES = { upstream: "github", method: "GET", path: "/repos/acme/api/issues" } as const;

/** A stranger with a checkout, a terminal and a browser, who has the README and nothing else. */
interface Stranger {
  readonly issuer: string;
  readonly page: Page;
  /** Types a block of the README into their terminal. */
  type(block: string): Typed;
  /** Looks into the inbox, compares the match code where they were told one, and approves. */
  approve(matchCode?: string): Promise<void>;
  close(): Promise<void>;
}

interface Typed {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<{ code: number | null; stdout: string }>;
}

let emulators: Emulators;
let browser: Browser;
let stranger: Stranger;
beforeAll(async () => {
  [emulators, browser] = await Promise.all([startEmulators(), startBrowser()]);
  stranger = await setUp();
});
afterAll(async () => {
  await stranger?.close();
  await browser?.close();
  await emulators?.close();
});

/** What stands in the README, but for the port and for GitHub, which is an emulator on loopback here. */
function readBlock(name: string, port: number): string {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const text = new RegExp(`\`\`\`sh ${name}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? "";
  expect(text).not.toBe("");
  return text
    .replaceAll("8787", String(port))
    .replace("https://api.github.com", emulators.githubUrl)
    .replace("npm start", `exec npm start -- --port ${port} --allow-private-network`);
}

async function setUp(): Promise<Stranger> {
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const folder = mkdtempSync(join(tmpdir(), "stint-stranger-"));
  for (const name of ["package.json", "scripts"]) symlinkSync(join(ROOT, name), join(folder, name));
  const env = { ...process.env, STINT_URL: issuer, GITHUB_TOKEN: "ghp_seed" };
  // The function that the README defines is there in the terminal as long as it is open.
  const own = /^stint\(\) .*$/m.exec(readBlock("setup", port))?.[0] ?? "";
  const type = (block: string): Typed => {
    const child = spawn("sh", ["-ec", `${own}\n${readBlock(block, port)}`], { cwd: folder, env, detached: true });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = new Promise<{ code: number | null; stdout: string }>(
      (done) => void child.on("close", (code) => done({ code, stdout })),
    );
    return { child, ended, output: () => stdout + stderr };
  };
  const broker = type("start");
  await until("the broker", async () => (/^Stint listens on/m.test(broker.output()) ? true : undefined), 30_000);
  const { code, stdout } = await type("setup").ended;
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/Applied as version 1\.\nSealed GITHUB_KEY\.\nhttp:\S+\n$/),
  ]);
  const page = await browser.newPage();
  await addVirtualPasskey(page);
  await makePasskey(page, stdout.trim().split("\n").at(-1) ?? "");
  return {
    issuer,
    page,
    type,
    async approve(matchCode) {
      const look = page.getByRole("button", { name: /^Look at it/ });
      await until("the request in the inbox", async () => {
        await page.goto(`${issuer}/inbox`);
        const signIn = page.getByRole("button", { name: "Sign in with a passkey" });
        const inbox = page.getByRole("heading", { level: 1, name: /waits? for you$/ });
        await signIn.or(inbox).waitFor();
        if (await signIn.isVisible()) await signIn.click();
        await inbox.waitFor();
        return (await look.isVisible()) ? true : undefined;
      });
      await look.click();
      await page.getByRole("heading", { name: /asks for access$/ }).waitFor();
      if (matchCode !== undefined) expect(await page.locator(".match strong").textContent()).toBe(matchCode);
      await page.getByRole("button", { name: "Review and approve" }).click();
      await page.getByRole("button", { name: /^Approve as Dana/ }).click();
      await page.getByRole("heading", { name: "Approved", exact: true }).waitFor();
    },
    async close() {
      process.kill(-(broker.child.pid ?? 0), "SIGTERM");
      await broker.ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const matchCodeIn = (text: string): string | undefined => /match code ([A-Z0-9]{3}-[A-Z0-9]{3})/.exec(text)?.[1];

type ToolAnswer = { isError?: boolean; content: { text?: string }[] };
async function call(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const { content } = (await client.callTool({ name, arguments: args })) as ToolAnswer;
  return content.map(({ text }) => text ?? "").join("\n");
}

describe("the README takes a stranger from npm start to", () => {
  it("a program that runs with what they approved", async () => {
    const running = stranger.type("run");
    const matchCode = await until("the match code", async () => matchCodeIn(running.output()));
    await stranger.approve(matchCode);
    expect(await running.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\[/) });
    expect(running.output()).toMatch(/approved, for [^]*completed; 1 calls, 0 refused/);
  });

  it("an assistant on their machine that asks, is approved and calls", async () => {
    const { stdout } = await stranger.type("host").ended;
    const { command, args, env } = JSON.parse(stdout).mcpServers.stint as {
      command: string;
      args: string[];
      env: Record<string, string>;
    };
    const client = new Client({ name: "host", version: "1.0.0" });
    await client.connect(new StdioClientTransport({ command, args, env }));
    const access = ["github:issues:read@acme/api"];
    const asked = await call(client, "request_session", { task: "Read the open issues", access });
    const session_id = /ses_[\w-]+/.exec(asked)?.[0] ?? "";
    await stranger.approve(matchCodeIn(asked));
    expect(await call(client, "session_state", { session_id })).toMatch(/^Active/);
    expect(await call(client, "call_upstream", { session_id, ...READ_ISSUES })).toMatch(/^HTTP 200/);
    await client.close();
  });

  it("a client that is given the address alone, and finds out by itself how to be let in", async () => {
    const callback = await startCallback();
    const address = new URL(`${stranger.issuer}/mcp`);
    const { itself, asked } = await hostKnownAs("my-host", callback.url);
    const transport = new StreamableHTTPClientTransport(address, { authProvider: itself });
    await expect(new Client({ name: "host", version: "1.0.0" }).connect(transport)).rejects.toBeInstanceOf(
      UnauthorizedError,
    );
    const tab = await browser.newPage();
    await tab.goto(String(await asked));
    await tab.getByLabel("You are").fill("dana@acme.example");
    await tab.getByRole("button", { name: "Send me the approval link" }).click();
    const matchCode = await tab.locator(".match strong").textContent();
    await tab.getByRole("link", { name: "your inbox" }).waitFor();
    await stranger.approve(matchCode ?? "");
    await transport.finishAuth(await callback.returned);
    const client = new Client({ name: "host", version: "1.0.0" });
    await client.connect(new StreamableHTTPClientTransport(address, { authProvider: itself }));
    expect(JSON.parse(await call(client, "session_state"))).toMatchObject({
      status: "active",
      authorization_details: [{ actions: expect.arrayContaining(["issues:read"]), locations: ["acme/api"] }],
    });
    expect(JSON.parse(await call(client, "call_upstream", READ_ISSUES))).toMatchObject({ status: 200 });
    const write = {
      type: "upstream_access",
      upstream: "github",
      actions: ["issues:write"],
      locations: ["acme/api"],
    };
    const more = JSON.parse(
      await call(client, "request_session", {
        title: "Open an issue",
        authorization_details: [write],
        expires_in: 600,
      }),
    ) as { session_id: string; match_code: string };
    expect(more).toMatchObject({ status: "pending" });
    await stranger.approve(more.match_code);
    const opened = await call(client, "call_upstream", {
      ...READ_ISSUES,
      session: more.session_id,
      method: "POST",
      body: JSON.stringify({ title: "From a stranger's host" }),
    });
    expect(JSON.parse(opened)).toMatchObject({ status: 201 });
    await client.close();
    await tab.close();
    await callback.close();
  });
});

/** What a host built on the MCP SDK keeps: its client id, its key, and where its browser returns to. */
async function hostKnownAs(clientId: string, redirectUrl: string) {
  const kept = new Map<string, unknown>();
  const asked = Promise.withResolvers<URL>();
  const dpop = await DpopSession.create();
  const itself: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: { redirect_uris: [redirectUrl], token_endpoint_auth_method: "none" },
    clientInformation: () => ({ client_id: clientId }),
    dpop: () => dpop,
    tokens: () => kept.get("tokens") as { access_token: string; token_type: string } | undefined,
    saveTokens: (tokens) => void kept.set("tokens", tokens),
    redirectToAuthorization: (url) => asked.resolve(url),
    saveCodeVerifier: (verifier) => void kept.set("verifier", verifier),
    codeVerifier: () => String(kept.get("verifier")),
    saveDiscoveryState: (state) => void kept.set("discovery", state),
    discoveryState: () => kept.get("discovery") as never,
  };
  return { itself, asked: asked.promise };
}
