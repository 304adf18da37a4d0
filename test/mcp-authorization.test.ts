import { spawn } from "node:child_process";
import { join } from "node:path";
import {
  Client,
  DpopSession,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientProvider,
} from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError as OldUnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { freePort } from "../demo/free-port.ts";
import { ROOT } from "../scripts/build.ts";
import { approveInBrowser } from "./support/browser-human.ts";
import { startCallback } from "./support/loopback-callback.ts";
import { startMetadataHost, type MetadataHost } from "./support/metadata-host.ts";
import { startNotesServer, type NotesServer } from "./support/notes-server.ts";
import { startOAuthWorld, type OAuthWorld } from "./support/oauth-world.ts";

let world: OAuthWorld;
let host: MetadataHost;
let browser: Browser;
let notes: NotesServer;
let resource = "";
beforeAll(async () => {
  const port = await freePort();
  resource = `http://localhost:${port}/notes`;
  host = await startMetadataHost();
  world = await startOAuthWorld({
    notesResource: resource,
    extraCa: [host.authorityFile],
    adjust: (document) => ({
      ...document,
      client_metadata_hosts: [{ host: host.host, owner: "sam@acme.example" }],
      policies: [
        {
          ...(document["policies"] as object[])[0],
          id: "welcome",
          agents: [`host:${host.host}`],
          allow: ["mcp:notes:list_notes"],
        },
        ...(document["policies"] as object[]),
      ],
    }),
  });
  notes = await startNotesServer(port, world.issuer, world.webKey.privateJwk);
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  await notes?.close();
  await world?.close();
  await host?.close();
});

/** What a host keeps for one server, in memory. */
function provider(
  redirectUrl: string,
  client: { client_id: string } | { clientMetadataUrl: string },
  dpop?: DpopSession,
) {
  const kept = new Map<string, unknown>();
  const asked = Promise.withResolvers<URL>();
  const itself: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: { client_name: "A host", redirect_uris: [redirectUrl], token_endpoint_auth_method: "none" },
    ...("clientMetadataUrl" in client ? client : {}),
    clientInformation: () =>
      "client_id" in client ? client : (kept.get("client") as { client_id: string } | undefined),
    saveClientInformation: (information) => void kept.set("client", information),
    state: () => "some-state",
    tokens: () => kept.get("tokens") as { access_token: string; token_type: string } | undefined,
    saveTokens: (tokens) => void kept.set("tokens", tokens),
    redirectToAuthorization: (url) => asked.resolve(url),
    saveCodeVerifier: (verifier) => void kept.set("verifier", verifier),
    saveDiscoveryState: (state) => void kept.set("discovery", state),
    discoveryState: () => kept.get("discovery") as never,
    codeVerifier: () => String(kept.get("verifier")),
    ...(dpop === undefined ? {} : { dpop: () => dpop }),
  };
  return { itself, asked: asked.promise };
}

const textOf = (result: unknown): string | undefined => (result as { content: { text?: string }[] }).content[0]?.text;

describe("an MCP client completes its whole authorization, a human at a real browser", () => {
  it("SDK 2, known by its metadata document, with a key of its own", async () => {
    const callback = await startCallback();
    const clientMetadataUrl = host.publishClient("/host.json");
    const { itself, asked } = provider(callback.url, { clientMetadataUrl }, await DpopSession.create());
    const transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: itself });
    const client = new Client({ name: "host", version: "1.0.0" });
    await expect(client.connect(transport)).rejects.toBeInstanceOf(UnauthorizedError);
    await approveInBrowser(world, browser, await asked);
    await transport.finishAuth(await callback.returned);
    const again = new Client({ name: "host", version: "1.0.0" });
    await again.connect(new StreamableHTTPClientTransport(new URL(resource), { authProvider: itself }));
    expect(textOf(await again.callTool({ name: "list_notes", arguments: {} }))).toBe("list_notes: done");
    expect(textOf(await again.callTool({ name: "write_note", arguments: {} }))).toBe("write_note: not granted");
    expect(notes.schemes.at(-1)).toBe("DPoP");
    await again.close();
    await callback.close();
  });

  it("SDK 2 at the gateway, whose server is shown a token of its own", async () => {
    const gateway = new URL(`${world.issuer}/mcp/notes`);
    const callback = await startCallback();
    const clientMetadataUrl = host.publishClient("/gateway.json");
    const { itself, asked } = provider(callback.url, { clientMetadataUrl }, await DpopSession.create());
    const transport = new StreamableHTTPClientTransport(gateway, { authProvider: itself });
    const client = new Client({ name: "host", version: "1.0.0" });
    await expect(client.connect(transport)).rejects.toBeInstanceOf(UnauthorizedError);
    // What the challenge names is more than this client's policy allows: what it allows is asked for.
    expect((await asked).searchParams.get("scope")).toContain("mcp:notes:write_note");
    await approveInBrowser(world, browser, await asked);
    await transport.finishAuth(await callback.returned);
    const again = new Client({ name: "host", version: "1.0.0" });
    await again.connect(new StreamableHTTPClientTransport(gateway, { authProvider: itself }));
    await expect(again.listTools()).rejects.toThrow();
    const { body } = await world.broker.admin("GET", "/admin/servers");
    const { difference } = (body["servers"] as { id: string; difference: { digest: string } }[]).find(
      ({ id }) => id === "notes",
    )!;
    await world.broker.admin("POST", "/admin/servers/notes/accept", { digest: difference.digest });
    expect((await again.listTools()).tools.map(({ name }) => name)).toEqual(["list_notes", "write_note"]);
    expect(textOf(await again.callTool({ name: "list_notes", arguments: {} }))).toBe("list_notes: done");
    await expect(again.callTool({ name: "write_note", arguments: {} })).rejects.toThrow();
    // As that server is configured: the gateway's own exception, and the agent's token is bound all the same.
    expect(notes.schemes.at(-1)).toBe("Bearer");
    await again.close();
    await callback.close();
  });

  it("SDK 2 without proofs, where client and server are allowed that", async () => {
    const callback = await startCallback();
    const { itself, asked } = provider(callback.url, { client_id: "mcp-host" });
    const transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: itself });
    await expect(new Client({ name: "host", version: "1.0.0" }).connect(transport)).rejects.toBeInstanceOf(
      UnauthorizedError,
    );
    await approveInBrowser(world, browser, await asked);
    await transport.finishAuth(await callback.returned);
    const client = new Client({ name: "host", version: "1.0.0" });
    await client.connect(new StreamableHTTPClientTransport(new URL(resource), { authProvider: itself }));
    expect(textOf(await client.callTool({ name: "list_notes", arguments: {} }))).toBe("list_notes: done");
    expect(notes.schemes.at(-1)).toBe("Bearer");
    await client.close();
    await callback.close();
  });

  it("SDK 1, the installed base", async () => {
    const callback = await startCallback();
    const { itself, asked } = provider(callback.url, { client_id: "mcp-host" });
    const authProvider = itself as never;
    const transport = new OldTransport(new URL(resource), { authProvider });
    const connected = new OldClient({ name: "host", version: "1.0.0" }).connect(transport as never);
    await expect(connected).rejects.toBeInstanceOf(OldUnauthorizedError);
    await approveInBrowser(world, browser, await asked);
    await transport.finishAuth((await callback.returned).get("code") ?? "");
    const client = new OldClient({ name: "host", version: "1.0.0" });
    await client.connect(new OldTransport(new URL(resource), { authProvider }) as never);
    expect(textOf(await client.callTool({ name: "list_notes", arguments: {} }))).toBe("list_notes: done");
    await client.close();
    await callback.close();
  });
});

describe("@modelcontextprotocol/conformance, authorization mode", () => {
  it.each(["2025-11-25", "2026-07-28"])("passes for %s", async (version) => {
    const port = await freePort();
    const suite = join(ROOT, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js");
    const args = ["authorization", "--url", world.issuer, "--client-id", "mcp-host", "--resource", resource];
    const child = spawn(process.execPath, [suite, ...args, "-p", String(port), "--spec-version", version]);
    let output = "";
    const url = Promise.withResolvers<string>();
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const found = /^http\S+\/oauth\/authorize\?\S+$/m.exec(output)?.[0];
      if (found !== undefined) url.resolve(found);
    });
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((done) => void child.on("exit", done));
    void ended.then(() => url.reject(new Error(output)));
    await approveInBrowser(world, browser, await url.promise);
    expect([await ended, output]).toEqual([0, expect.stringContaining("Total: 3 passed, 0 failed")]);
    expect(output).not.toMatch(/warning|skipped/i);
  });
});
