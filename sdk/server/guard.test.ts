import { McpServer } from "@modelcontextprotocol/server";
import { base64url, decodeJwt, exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { sha256 } from "../shared/digest.ts";
import { newProofKey, proofOf, thumbprintOf, type ProofKey } from "../shared/proof-key.ts";
import { Guard, type GuardOptions } from "./guard.ts";
import { mcpHandler } from "./mcp.ts";
import { OnceInProcess } from "./once-only.ts";

const ISSUER = "https://stint.test";
const RESOURCE = "https://tickets.test/mcp";
const TOKEN = "a.b.c";
const ACCEPT = "application/json, text/event-stream";

let key: ProofKey;
let registered: GuardOptions["key"];
let jkt: string;
beforeAll(async () => {
  key = await newProofKey();
  jkt = await thumbprintOf(key);
  registered = await exportJWK((await generateKeyPair("ES256", { extractable: true })).privateKey);
});

const seconds = () => Math.floor(Date.now() / 1000);
const granted = (actions: readonly string[]) => [{ type: "mcp_tools", server: "tickets", actions }];

/** A guard at a Stint that says this of every token. */
function guardThat(says: Record<string, unknown> = {}, options: Partial<GuardOptions> = {}): Guard {
  const statement = {
    active: true,
    iss: ISSUER,
    aud: RESOURCE,
    exp: seconds() + 60,
    sub: "bot",
    client_id: "bot",
    sid: "ses_1",
    cnf: { jkt },
    authorization_details: granted(["greet"]),
    ...says,
  };
  const tools = { greet: "read", shout: "write" } as const;
  const fetch = async () => Response.json(statement);
  return new Guard({
    issuer: ISSUER,
    resource: RESOURCE,
    server: "tickets",
    key: registered,
    tools,
    fetch,
    ...options,
  });
}

async function requestTo(
  url = RESOURCE,
  headers: Record<string, string> = {},
  claims?: Record<string, unknown>,
): Promise<Request> {
  const made = { jti: crypto.randomUUID(), htm: "GET", htu: RESOURCE, iat: seconds(), ath: await sha256(TOKEN) };
  const dpop = await new SignJWT({ ...made, ...claims })
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: key.publicJwk })
    .sign(key.privateKey);
  return new Request(url, { headers: { authorization: `DPoP ${TOKEN}`, dpop, ...headers } });
}

async function outcome(guard: Guard, request: Request): Promise<string> {
  const access = await guard.authorize(request, ["greet"]);
  if (!(access instanceof Response)) return "let in";
  return `${access.status} ${((await access.json()) as { error: string }).error}`;
}

describe("whose token it is", () => {
  it.each([
    ["its neighbour's, by a slash", { aud: `${RESOURCE}/` }],
    ["its neighbour's, by a letter's case", { aud: "https://tickets.test/MCP" }],
    ["its neighbour's, by a port", { aud: "https://tickets.test:8443/mcp" }],
    ["its neighbour's, by the usual port", { aud: "https://tickets.test:443/mcp" }],
    ["its neighbour's, by the beginning of the path", { aud: "https://tickets.test/mc" }],
    ["its neighbour's, by a query", { aud: `${RESOURCE}?a` }],
    ["its host's", { aud: "https://tickets.test" }],
    ["its neighbour's, by no TLS", { aud: "http://tickets.test/mcp" }],
    ["its own and another's", { aud: [RESOURCE, "https://other.test"] }],
    ["its own in a list", { aud: [RESOURCE] }],
    ["nobody's", { aud: undefined }],
    ["the issuer's own, a session token", { aud: ISSUER }],
    ["of another issuer", { iss: "https://evil.test" }],
    ["of an issuer with a slash", { iss: `${ISSUER}/` }],
    ["of no issuer", { iss: undefined }],
    ["over", { exp: 1 }],
    ["without an end", { exp: undefined }],
    ["over at a time that is a text", { exp: "9999999999" }],
    ["of tomorrow", { nbf: 9_999_999_999 }],
    ["of a beginning that is a text", { nbf: "soon" }],
  ])("is not one that is %s", async (_, says) => {
    expect(await outcome(guardThat(says), await requestTo())).toBe("401 invalid_token");
  });

  it.each([null, "x", [], {}, { jkt: 1 }, { jkt: null }, { jkt: "x" }])("is not one bound to %j", async (cnf) => {
    expect(await outcome(guardThat({ cnf }), await requestTo())).toBe("401 invalid_dpop_proof");
  });

  it.each([null, "x", {}, [null], [[]], ["x"], [{ type: "mcp_tools", server: "tickets", actions: "greet" }], 5])(
    "grants nothing by %j",
    async (authorization_details) => {
      const says = await outcome(guardThat({ authorization_details }), await requestTo());
      expect(says).toBe("403 insufficient_scope");
    },
  );

  it("challenges for tools by any name", async () => {
    const says = { authorization_details: granted(["__proto__", "constructor", "toString"]) };
    expect(await outcome(guardThat(says), await requestTo())).toBe("403 insufficient_scope");
  });

  it.each([
    ["one token twice", { authorization: `DPoP ${TOKEN}, DPoP ${TOKEN}` }],
    ["two schemes", { authorization: `Bearer ${TOKEN}, DPoP ${TOKEN}` }],
    ["a token with a space", { authorization: "DPoP a.b .c" }],
    ["a scheme alone", { authorization: "DPoP" }],
    ["an empty header", { authorization: "" }],
  ])("is nobody's with %s", async (_, headers) => {
    expect(await outcome(guardThat(), await requestTo(RESOURCE, headers))).toBe("401 invalid_token");
  });
});

describe("a proof", () => {
  it.each([
    ["of an upper-case host", "https://TICKETS.test/mcp"],
    ["with the usual port", "https://tickets.test:443/mcp"],
    ["with a query", `${RESOURCE}?x=1#y`],
  ])("D14 counts for its address %s", async (_, htu) => {
    expect(await outcome(guardThat(), await requestTo(RESOURCE, {}, { htu }))).toBe("let in");
  });

  it.each([
    ["another path", "https://tickets.test/mcp/"],
    ["another case", "https://tickets.test/MCP"],
    ["an encoded path", "https://tickets.test/%6dcp"],
    ["another port", "https://tickets.test:8443/mcp"],
    ["no TLS", "http://tickets.test/mcp"],
    ["a user in it", "https://user@tickets.test/mcp"],
    ["an empty user in it", "https://@tickets.test/mcp"],
    ["a space before it", ` ${RESOURCE}`],
    ["backslashes", "https:\\\\tickets.test/mcp"],
    ["more slashes than two", "https:////tickets.test/mcp"],
    ["a path alone", "/mcp"],
    ["a list", [RESOURCE]],
    ["nothing", undefined],
  ])("D12 is none for %s", async (_, htu) => {
    expect(await outcome(guardThat(), await requestTo(RESOURCE, {}, { htu }))).toBe("401 invalid_dpop_proof");
  });

  it("D15 may be a little off in time, and no more", async () => {
    const at = async (iat: unknown) => outcome(guardThat(), await requestTo(RESOURCE, {}, { iat }));
    const now = seconds();
    expect([await at(now + 8), await at(now - 10)]).toEqual(["let in", "let in"]);
    for (const iat of [now + 120, now - 120, now + 0.5, "now", null]) expect(await at(iat)).toMatch(/^401/);
  });

  it("J17 stands in one form alone", async () => {
    const request = await requestTo();
    const proof = request.headers.get("dpop")!;
    const [head = "", body = "", mac = ""] = proof.split(".");
    const last = mac.at(-1)!;
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const sloppy = mac.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    const odd = [
      `${proof}=`,
      `${head}=.${body}.${mac}`,
      `${head}.${body}.${sloppy}`,
      `${proof}.`,
      "a.b.c",
      "abcde.x.y",
    ];
    for (const dpop of [...odd, "..", "", "{}"])
      expect([dpop, await outcome(guardThat(), await requestTo(RESOURCE, { dpop }))]).toEqual([
        dpop,
        "401 invalid_dpop_proof",
      ]);
    expect(await outcome(guardThat(), request)).toBe("let in");
  });

  it("is good once at each memory, and once in all where the memory is shared", async () => {
    const request = await requestTo();
    const again = () => new Request(request);
    const [first, second] = [guardThat(), guardThat()];
    expect([await outcome(first, again()), await outcome(second, again())]).toEqual(["let in", "let in"]);
    const onceOnly = new OnceInProcess();
    const other = await requestTo();
    const guards = [guardThat({}, { onceOnly }), guardThat({}, { onceOnly })];
    const outcomes = await Promise.all(guards.map((guard) => outcome(guard, new Request(other))));
    expect(outcomes.toSorted()).toEqual(["401 invalid_dpop_proof", "let in"]);
  });

  it("B13 is refused, and not believed, where no more can be remembered", async () => {
    const use = () => {
      throw new Error("full");
    };
    expect(await outcome(guardThat({}, { onceOnly: { use } }), await requestTo())).toBe("503 temporarily_unavailable");
  });

  it("is not used up by a request that is refused", async () => {
    const onceOnly = new OnceInProcess();
    const request = await requestTo();
    expect(await outcome(guardThat({ aud: ISSUER }, { onceOnly }), new Request(request))).toBe("401 invalid_token");
    expect(await outcome(guardThat({}, { onceOnly }), new Request(request))).toBe("let in");
  });

  it("D04 counts in its header alone", async () => {
    const request = await requestTo();
    const dpop = request.headers.get("dpop")!;
    const elsewhere = new Request(`${RESOURCE}?dpop=${dpop}`, {
      headers: { authorization: `DPoP ${TOKEN}`, cookie: `dpop=${dpop}` },
    });
    expect(await outcome(guardThat(), elsewhere)).toBe("401 invalid_dpop_proof");
  });

  it.each([1, ["x"], "x".repeat(129), {}])("D10 is none with a jti like %j", async (jti) => {
    expect(await outcome(guardThat(), await requestTo(RESOURCE, {}, { jti }))).toBe("401 invalid_dpop_proof");
  });

  it("D21 is another's though it has the same jti", async () => {
    const guard = guardThat();
    expect(await outcome(guard, await requestTo(RESOURCE, {}, { jti: "same" }))).toBe("let in");
    const [own, other] = [key, await newProofKey()];
    const onceOnly = new OnceInProcess();
    const outcomes = [];
    for (const one of [own, other]) {
      key = one;
      const cnf = { jkt: await thumbprintOf(one) };
      outcomes.push(await outcome(guardThat({ cnf }, { onceOnly }), await requestTo(RESOURCE, {}, { jti: "same" })));
    }
    key = own;
    expect(outcomes).toEqual(["let in", "let in"]);
  });

  it("D37 is for the method that is used, whatever a header says", async () => {
    const headers = { "x-http-method-override": "POST", "x-method-override": "POST" };
    expect(await outcome(guardThat(), await requestTo(RESOURCE, headers, { htm: "POST" }))).toBe(
      "401 invalid_dpop_proof",
    );
  });

  it("D25 D27 D35 needs the nonce each time, and is told so though its clock is off", async () => {
    const guard = guardThat({}, { nonceSecret: new Uint8Array(32) });
    const refused = (await guard.identify(await requestTo(RESOURCE, {}, { iat: seconds() + 240 }))) as Response;
    expect(((await refused.json()) as { error: string }).error).toBe("use_dpop_nonce");
    const nonce = refused.headers.get("dpop-nonce");
    expect(nonce).toMatch(/^[\x21\x23-\x5B\x5D-\x7E]+$/);
    expect(await outcome(guard, await requestTo(RESOURCE, {}, { nonce }))).toBe("let in");
    expect(await outcome(guard, await requestTo())).toBe("401 use_dpop_nonce");
    expect(await outcome(guard, await requestTo(RESOURCE, {}, { nonce, iat: seconds() + 240 }))).toBe(
      "401 invalid_dpop_proof",
    );
  });

  it("D26 needs a nonce of this very server's", async () => {
    const [own, other] = [1, 2].map((fill) => guardThat({}, { nonceSecret: new Uint8Array(32).fill(fill) })) as [
      Guard,
      Guard,
    ];
    const nonce = ((await other.identify(await requestTo())) as Response).headers.get("dpop-nonce");
    expect(await outcome(own, await requestTo(RESOURCE, {}, { nonce }))).toBe("401 use_dpop_nonce");
    expect(await outcome(other, await requestTo(RESOURCE, {}, { nonce }))).toBe("let in");
    expect(await outcome(other, await requestTo())).toBe("401 use_dpop_nonce");
  });
});

describe("pages of browsers", () => {
  it("are told nothing about other origins, and asked for a token even before they ask", async () => {
    const headers = { origin: "https://evil.test", "access-control-request-method": "POST" };
    const preflight = (await guardThat().identify(new Request(RESOURCE, { method: "OPTIONS", headers }))) as Response;
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([403, null]);
    const own = (await guardThat().identify(
      new Request(RESOURCE, { method: "OPTIONS", headers: { ...headers, origin: "https://tickets.test" } }),
    )) as Response;
    expect([own.status, own.headers.get("access-control-allow-origin")]).toEqual([401, null]);
  });

  it.each([
    "https://tickets.test.evil.test",
    "https://tickets.test:8443",
    "http://tickets.test",
    "https://TICKETS.test",
    "null",
    "",
  ])("of origin %j are others", async (origin) => {
    expect(await outcome(guardThat(), await requestTo(RESOURCE, { origin }))).toBe("403 access_denied");
  });

  it("may come from an origin that was named", async () => {
    const guard = guardThat({}, { origins: ["https://app.test"] });
    expect(await outcome(guard, await requestTo(RESOURCE, { origin: "https://app.test" }))).toBe("let in");
  });
});

describe("where a request goes", () => {
  it.each([
    "https://tickets.test/mcp2",
    "https://tickets.test/",
    "https://tickets.test/mcp/../x",
    "https://tickets.test/%6dcp",
  ])("is not this resource at %s", async (url) => {
    expect(await outcome(guardThat(), await requestTo(url, {}, { htu: url }))).toBe("400 invalid_request");
  });
});

describe("a message", () => {
  const handled = async (body: string | ReadableStream) => {
    const handle = mcpHandler(guardThat(), () => {
      const server = new McpServer({ name: "tickets", version: "1.0.0" });
      server.registerTool("greet", { inputSchema: z.looseObject({}) }, async () => {
        throw new Error("nothing is carried out");
      });
      return server;
    });
    const dpop = await proofOf(key, { method: "POST", url: new URL(RESOURCE), accessToken: TOKEN });
    expect(decodeJwt(dpop)["htm"]).toBe("POST");
    const headers = { authorization: `DPoP ${TOKEN}`, dpop, "content-type": "application/json", accept: ACCEPT };
    return handle(new Request(RESOURCE, { method: "POST", headers, body, duplex: "half" } as RequestInit));
  };
  const ping = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"ping","params":${params}}`;

  it("is refused when it breaks off", async () => {
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"jsonrpc":"2.0",'));
      },
      pull: () => Promise.reject(new Error("the connection is gone")),
    });
    expect((await handled(broken)).status).toBe(400);
  });

  it("is answered when it only looks deep", async () => {
    expect((await handled(ping('{"x":[[{"y":"[[[[[[\\"[["}]]}'))).status).toBe(200);
  });

  it.each([
    ["nested deep, unfinished", "[".repeat(1_000_000)],
    ["nested deep", "[".repeat(1_000_000) + "]".repeat(1_000_000)],
    ["nested deep in its parameters", ping(`{"x":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`)],
    [
      "a call whose arguments are nested deep",
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":${'{"x":'.repeat(500_000)}1${"}".repeat(500_000)}}}`,
    ],
    ["packed", base64url.encode(new Uint8Array([31, 139, 8, 0]))],
    ["fifty-one", `[${Array.from({ length: 51 }, (_, id) => ping("{}").replace('"id":1', `"id":${id}`)).join(",")}]`],
    ["of an id that is a list", '{"jsonrpc":"2.0","id":[1],"method":"ping"}'],
  ])("that is %s is refused, and breaks nothing", async (_, body) => {
    expect((await handled(body)).status).toBe(400);
  });
});
