import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { foreignWorld as world, ISSUER, NATIVE_APP, REDIRECT, RESOURCE } from "../../test/support/foreign-world.ts";
import { codeAccess } from "./code-access.ts";

describe("access by authorization code", () => {
  it("asks for the challenged scope at the resource's server, and proves one key throughout", async () => {
    const { call, asked, seen, tokenRequests } = world();
    expect(await (await call(RESOURCE, { method: "POST", body: "{}" })).text()).toBe("ok");
    const parameters = Object.fromEntries(asked[0]!.searchParams);
    expect(parameters).toMatchObject({
      response_type: "code",
      client_id: "native-app",
      redirect_uri: REDIRECT,
      code_challenge_method: "S256",
      resource: RESOURCE,
      scope: "mcp:tickets:list_issues",
      dpop_jkt: expect.stringMatching(/^[\w-]{43}$/),
    });
    const form = new URLSearchParams(tokenRequests()[0]!.body);
    expect(Object.fromEntries(form)).toMatchObject({ code: "c", resource: RESOURCE, redirect_uri: REDIRECT });
    expect(seen.at(-1)!.headers.get("authorization")).toBe("DPoP t");
    expect(decodeJwt(seen.at(-1)!.headers.get("dpop")!)).toMatchObject({ htm: "POST", htu: RESOURCE });
  });

  it("has one human asked once for calls at once", async () => {
    const { call, asked } = world();
    const answers = await Promise.all(Array.from({ length: 5 }, () => call(RESOURCE)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(asked).toHaveLength(1);
  });

  it.each([
    ["about another resource", { about: { resource: "https://other.test/mcp" } }],
    ["about the resource's neighbours too", { about: { resource: "https://tickets.test/" } }],
    ["of no authorization server", { about: { authorization_servers: [] } }],
    ["of a server without TLS", { about: { authorization_servers: ["http://stint.test"] } }],
    ["of another issuer", { server: { issuer: "https://evil.test" } }],
    ["of an issuer with a slash more", { server: { issuer: `${ISSUER}/` } }],
    ["without PKCE", { server: { code_challenge_methods_supported: undefined } }],
    ["with plain PKCE", { server: { code_challenge_methods_supported: ["plain"] } }],
    ["that opens a script", { server: { authorization_endpoint: "javascript:alert(1)" } }],
    ["that opens a file", { server: { authorization_endpoint: "file:///etc/passwd" } }],
    ["that starts a program", { server: { authorization_endpoint: "ms-msdt:/id" } }],
    ["whose token endpoint has no TLS", { server: { token_endpoint: "http://stint.test/oauth/token" } }],
    ["of a server on this machine", { about: { authorization_servers: ["http://localhost:8787"] } }],
    ["that opens what listens on this machine", { server: { authorization_endpoint: "http://127.0.0.1:631/" } }],
    ["that sends the code to this machine", { server: { token_endpoint: "http://[::1]:9200/" } }],
    ["that sends it there by another name", { server: { token_endpoint: "https://127.0.0.2:9200/" } }],
    [
      "of a server on this machine by a name of its own",
      { about: { authorization_servers: ["https://as.localhost"] } },
    ],
    ["without end", { about: { x: "x".repeat(2_000_000) } }],
    ["that binds tokens to no key", { server: { dpop_signing_alg_values_supported: undefined } }],
  ])("asks nobody on metadata %s", async (_, parts) => {
    const { call, asked, tokenRequests } = world(parts);
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_metadata" });
    expect([asked, tokenRequests()]).toEqual([[], []]);
  });

  it.each([
    ["to another request", { state: "x" }, "invalid_answer"],
    ["without state", { state: null }, "invalid_answer"],
    ["of another issuer", { iss: "https://evil.test" }, "invalid_answer"],
    ["of no issuer", { iss: null }, "invalid_answer"],
    ["of a human who denied", { code: null, error: "access_denied" }, "access_denied"],
    [
      "of an error in another's name",
      { code: null, error: "access_denied", iss: "https://evil.test" },
      "invalid_answer",
    ],
    ["with nothing", { code: null }, "invalid_answer"],
  ])("redeems no answer %s", async (_, back, code) => {
    const { call, tokenRequests } = world({ back });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code });
    expect(tokenRequests()).toEqual([]);
  });

  it.each([{ token_type: "Bearer" }, { token_type: undefined }, { access_token: undefined }])(
    "takes no token that is bound to no key: %j",
    async (token) => {
      const { call, seen } = world({ token });
      await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_token_answer" });
      expect(seen.filter(({ headers }) => headers.has("authorization"))).toEqual([]);
    },
  );

  it("takes no unbound token from a server that can bind one, even if others may give one", async () => {
    const { call } = world({ token: { token_type: "Bearer" }, options: { allowBearer: true } });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_token_answer" });
    const plain = world({
      token: { token_type: "Bearer" },
      server: { dpop_signing_alg_values_supported: undefined },
      options: { allowBearer: true },
    });
    expect((await plain.call(RESOURCE)).status).toBe(200);
    expect(plain.seen.at(-1)!.headers.get("authorization")).toBe("Bearer t");
  });

  it("asks once for more scope, with what was asked for before, and never twice for the same", async () => {
    const scope = "mcp:tickets:open_issue";
    const { call, asked } = world({
      answer: () =>
        new Response(null, {
          status: 403,
          headers: { "www-authenticate": `DPoP error="insufficient_scope", scope="${scope}"` },
        }),
    });
    for (let attempt = 0; attempt < 3; attempt += 1) expect((await call(RESOURCE)).status).toBe(403);
    expect(asked.map(({ searchParams }) => searchParams.get("scope"))).toEqual([
      "mcp:tickets:list_issues",
      `mcp:tickets:list_issues ${scope}`,
    ]);
  });

  it("asks no human again where every token is turned away", async () => {
    const { call, asked } = world({ answer: () => new Response(null, { status: 401 }) });
    for (let attempt = 0; attempt < 3; attempt += 1) expect((await call(RESOURCE)).status).toBe(401);
    expect(asked).toHaveLength(1);
  });

  it("asks again when what opened the door opens it no more", async () => {
    const answers = [() => new Response("ok"), () => new Response(null, { status: 401 })];
    const { call, asked } = world({ answer: () => answers.shift()?.() ?? new Response("again") });
    expect(await (await call(RESOURCE)).text()).toBe("ok");
    expect(await (await call(RESOURCE)).text()).toBe("again");
    expect(asked).toHaveLength(2);
  });

  it("asks nothing on this machine for a resource that is elsewhere", async () => {
    const seen: string[] = [];
    const call = codeAccess({
      resource: RESOURCE,
      client: NATIVE_APP,
      redirectUri: REDIRECT,
      authorize: () => Promise.reject(new Error("nobody")),
      fetch: async (url) => {
        seen.push(String(url));
        const challenge = 'DPoP resource_metadata="http://127.0.0.1:6379/"';
        return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
      },
    });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_metadata" });
    expect(seen).toEqual([RESOURCE]);
  });

  it.each([
    "http://tickets.test/mcp",
    "http://10.0.0.1/mcp",
    "http://localhost.evil.test/mcp",
    "ftp://tickets.test/mcp",
  ])("is not had over a wire that others write on: %s", (resource) => {
    expect(() => world({ options: { resource } })).toThrow(TypeError);
  });

  it("does not send a stream twice, and needs nobody for the next call", async () => {
    const { call, asked, seen } = world();
    const body = new Blob(["text"]).stream();
    expect((await call(RESOURCE, { method: "POST", body })).status).toBe(401);
    expect((await call(RESOURCE)).status).toBe(200);
    expect([asked.length, seen.filter(({ url }) => url === RESOURCE).length]).toEqual([1, 2]);
  });

  it("takes what it got nowhere else", async () => {
    const { call, seen } = world();
    await expect(call("https://tickets.test/other")).rejects.toMatchObject({ code: "invalid_target" });
    expect(seen).toEqual([]);
  });
});
