import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { startTicketServer, type TicketServer } from "../demo/ticket-server.ts";
import { ROOT } from "../scripts/build.ts";
import { codeAccess, type ClientAuthentication } from "../sdk/agent/index.ts";
import { authorizeAs, NATIVE_APP, startOAuthWorld, WEB_APP, type OAuthWorld } from "./support/oauth-world.ts";

/** How many auth scenarios the pinned suite has for clients. */
const SCENARIOS = 33;

let world: OAuthWorld;
let tickets: TicketServer;
let resource = "";
beforeAll(async () => {
  const serverPort = await freePort();
  world = await startOAuthWorld({ serverPort });
  tickets = await startTicketServer(serverPort, world.issuer, world.keys.server.privateJwk, ["acme/api"]);
  resource = tickets.url;
});
afterAll(async () => {
  await tickets?.close();
  await world?.close();
});

describe("an agent that knows a server by its address alone", () => {
  it.each<[string, string, string, () => ClientAuthentication]>([
    [
      "with a registered key",
      WEB_APP.redirect_uri,
      "web-1",
      () => ({ method: "private_key_jwt", key: world.webKey.privateJwk }),
    ],
    ["a public client", NATIVE_APP.redirect_uri, NATIVE_APP.client_id, () => ({ method: "none" })],
  ])(
    "has a human decide in a browser, and asks again when a tool needs more: %s",
    async (_, redirectUri, clientId, authentication) => {
      const scopes: (string | null)[] = [];
      const fetch = codeAccess({
        resource,
        client: { registered: [{ issuer: world.issuer, clientId, authentication: authentication() }] },
        redirectUri,
        authorize: async (url) => {
          scopes.push(url.searchParams.get("scope"));
          return authorizeAs(world, url);
        },
      });
      const mcp = new Client({ name: "host", version: "1.0.0" });
      await mcp.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch }));
      const args = { repository: "acme/api", title: "By code" };
      const listed = await mcp.callTool({ name: "list_issues", arguments: args });
      expect(listed.isError).toBeUndefined();
      const opened = await mcp.callTool({ name: "open_issue", arguments: args });
      expect(JSON.stringify(opened.content)).toMatch(/Opened acme\/api#\d+/);
      expect(scopes).toEqual([
        "mcp:tickets:list_issues github:issues:read@acme/api",
        "mcp:tickets:list_issues github:issues:read@acme/api mcp:tickets:open_issue github:issues:write@acme/api",
      ]);
      await mcp.close();
    },
  );
});

describe("@modelcontextprotocol/conformance, client mode", () => {
  it("passes every auth scenario, DPoP and nonces among them", () => {
    const folder = mkdtempSync(join(tmpdir(), "stint-conformance-"));
    const suite = join(ROOT, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js");
    const client = join(ROOT, "test", "support", "conformance-client.ts");
    const command = `${process.execPath} --disable-warning=ExperimentalWarning ${client}`;
    const args = [suite, "client", "--command", command, "--suite", "all", "--timeout", "110000", "-o", folder];
    const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    const failed: Record<string, string[]> = {};
    const passed: string[] = [];
    for (const run of readdirSync(join(folder, "auth"))) {
      const scenario = `auth/${run.replace(/-\d{4}-\d\d-\d\dT.*$/, "")}`;
      const checks = JSON.parse(readFileSync(join(folder, "auth", run, "checks.json"), "utf8")) as {
        id: string;
        status: string;
      }[];
      const bad = checks.filter(({ status }) => status === "FAILURE" || status === "WARNING").map(({ id }) => id);
      if (bad.length > 0) failed[scenario] = bad;
      else passed.push(scenario);
    }
    expect(failed, stdout).toEqual({});
    expect(passed).toEqual(expect.arrayContaining(["auth/dpop", "auth/dpop-nonce", "auth/iss-wrong-issuer"]));
    expect(passed.length).toBeGreaterThanOrEqual(SCENARIOS);
    rmSync(folder, { recursive: true });
  });
});
