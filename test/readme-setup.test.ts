import {
  Client,
  DpopSession,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientProvider,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { startEmulators, type Emulators } from "../demo/emulators.ts";
import { until } from "../demo/until.ts";
import { startCallback } from "./support/loopback-callback.ts";
import { startStranger, type Stranger } from "./support/stranger.ts";

const READ_ISSUES = { upstream: "github", method: "GET", path: "/repos/acme/api/issues" } as const;

let emulators: Emulators;
let browser: Browser;
let stranger: Stranger;
beforeAll(async () => {
  [emulators, browser] = await Promise.all([startEmulators(), startBrowser()]);
  stranger = await startStranger({ emulators, browser, document: "README.md" });
});
afterAll(async () => {
  await stranger?.close();
  await browser?.close();
  await emulators?.close();
});

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
