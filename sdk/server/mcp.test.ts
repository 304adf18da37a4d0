import { McpServer } from "@modelcontextprotocol/server";
import { exportJWK, generateKeyPair, jwtVerify } from "jose";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { sha256 } from "../shared/digest.ts";
import { newProofKey, proofOf, thumbprintOf } from "../shared/proof-key.ts";
import { Guard } from "./guard.ts";
import { definitionsOf, mcpHandler } from "./mcp.ts";
import { signMetadata } from "./signed-metadata.ts";

const ISSUER = "https://stint.test";
const RESOURCE = "https://tickets.test/mcp";

describe("what a server signs of its tools", () => {
  it("is what it shows, instructions and all, in its protected resource metadata (RFC 9728 §2.2)", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const key = await exportJWK(privateKey);
    const shown = await definitionsOf(() => {
      const server = new McpServer({ name: "tickets", version: "1.0.0" }, { instructions: "Be kind" });
      for (const name of ["greet", "shout"])
        server.registerTool(name, { inputSchema: z.object({}) }, () => ({ content: [] }));
      return server;
    });
    expect(shown).toMatchObject({ tools: [{ name: "greet" }, { name: "shout" }], instructions: "Be kind" });
    const signedMetadata = await signMetadata(shown, { issuer: ISSUER, resource: RESOURCE, key, lifetimeDays: 2 });
    const guard = new Guard({ issuer: ISSUER, resource: RESOURCE, server: "tickets", key, tools: {}, signedMetadata });
    const served = guard.metadata(new Request("https://tickets.test/.well-known/oauth-protected-resource/mcp"));
    const { signed_metadata } = (await served!.json()) as { signed_metadata: string };
    const { payload } = await jwtVerify(signed_metadata, publicKey, { typ: "stint-metadata+jwt", issuer: RESOURCE });
    expect(payload).toMatchObject({ resource: RESOURCE, authorization_servers: [ISSUER] });
    expect(Number(payload.exp) - Number(payload.iat)).toBe(2 * 24 * 3600);
    const digests = payload["urn:stint:params:oauth:metadata:tool_definitions"] as Record<string, string>;
    expect(Object.keys(digests)).toEqual(["greet", "shout", "(instructions)"]);
    expect(digests["(instructions)"]).toBe(await sha256('"Be kind"'));
  });
});

describe("an MCP server behind the guard, on this runtime", () => {
  it("touches no key before the first request, as a Worker's module must not", async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const key = await exportJWK(privateKey);
    const made = [vi.spyOn(crypto.subtle, "generateKey"), vi.spyOn(crypto.subtle, "importKey")];
    const nonceSecret = new Uint8Array(32);
    const guard = new Guard({ issuer: ISSUER, resource: RESOURCE, server: "tickets", key, tools: {}, nonceSecret });
    expect(made.map(({ mock }) => mock.calls)).toEqual([[], []]);
    const refused = (await guard.identify(new Request(RESOURCE))) as Response;
    expect(refused.headers.get("dpop-nonce")).toMatch(/^[\w-]{43}$/);
    vi.restoreAllMocks();
  });

  it("challenges, verifies, and calls a tool that was granted", async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const key = await newProofKey();
    const jkt = await thumbprintOf(key);
    const guard = new Guard({
      issuer: ISSUER,
      resource: RESOURCE,
      server: "tickets",
      key: await exportJWK(privateKey),
      tools: { greet: "read", shout: "write" },
      fetch: async () =>
        Response.json({
          active: true,
          iss: ISSUER,
          aud: RESOURCE,
          exp: Math.floor(Date.now() / 1000) + 60,
          sub: "bot",
          client_id: "bot",
          sid: "ses_1",
          act: { sub: "gateway" },
          cnf: { jkt },
          authorization_details: [
            { type: "mcp_tools", server: "tickets", actions: ["greet"] },
            { type: "mcp_tools", server: "others", actions: ["shout"] },
            { type: "upstream_access", server: "tickets", actions: ["shout"] },
          ],
        }),
    });
    const handle = mcpHandler(guard, ({ agent, actor, sessionId }) => {
      const server = new McpServer({ name: "tickets", version: "1.0.0" });
      for (const name of ["greet", "shout"])
        server.registerTool(name, { inputSchema: z.object({}) }, async () => ({
          content: [{ type: "text", text: `${name} ${agent} by ${actor} in ${sessionId}` }],
        }));
      return server;
    });
    const call = async (name: string): Promise<Response> => {
      const dpop = await proofOf(key, { method: "POST", url: new URL(RESOURCE), accessToken: "a.b.c" });
      const params = { name, arguments: {} };
      return handle(
        new Request(RESOURCE, {
          method: "POST",
          headers: {
            authorization: "DPoP a.b.c",
            dpop,
            "content-type": "application/json",
            accept: "application/json, text/event-stream",
          },
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
        }),
      );
    };
    expect((await handle(new Request(RESOURCE))).status).toBe(401);
    expect(await (await call("greet")).text()).toContain("greet bot by gateway in ses_1");
    expect((await call("shout")).status).toBe(403);
  });
});
