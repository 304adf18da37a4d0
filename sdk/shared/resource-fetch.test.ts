import { describe, expect, it } from "vitest";
import { DpopSender, type Fetch } from "./dpop-sender.ts";
import { resourceFetch } from "./resource-fetch.ts";

const RESOURCE = "https://api.test/v1";
const nonceDemand = (nonce: string) =>
  new Response(null, {
    status: 401,
    headers: { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": nonce },
  });
const claimsIn = (init: RequestInit | undefined) =>
  JSON.parse(Buffer.from(new Headers(init?.headers).get("dpop")!.split(".")[1]!, "base64url").toString()) as Record<
    string,
    unknown
  >;

/** A resource that answers as it is told, and how often a token for it was asked for. */
function resourceThat(answers: (() => Response)[], lifeSeconds = 300) {
  const seen: { url: string; init: RequestInit | undefined }[] = [];
  const count = { issued: 0 };
  const fetch: Fetch = async (url, init) => {
    seen.push({ url: String(url), init });
    return (answers.shift() ?? (() => new Response("ok")))();
  };
  const call = resourceFetch(RESOURCE, new DpopSender(undefined, fetch), async () => {
    count.issued += 1;
    const accessToken = `token-${count.issued}`;
    return { accessToken, expiresAt: Date.now() / 1000 + lifeSeconds, authorizationDetails: [] };
  });
  return { call, seen, count };
}

describe("a fetch for one resource", () => {
  it.each([
    "https://evil.test/v1/x",
    "http://api.test/v1/x",
    "https://api.test:8443/v1/x",
    "https://api.test/v10",
    "https://api.test/",
    "/../x",
    "/%2e%2e/x",
    "https://api.test/v1/../v2",
    "https://api.test@evil.test/v1/x",
  ])("takes the token nowhere else: %s", async (url) => {
    const { call, seen, count } = resourceThat([]);
    await expect(call(url)).rejects.toMatchObject({ code: "invalid_target" });
    expect([seen, count.issued]).toEqual([[], 0]);
  });

  it.each([
    "/x/../y",
    "/x/./y",
    "/x/..",
    "/x/%2E%2e/y",
    "/x/.%2e?q=1",
    "/x\\..\\y",
    "/x#/issues",
    "/x\t/y",
    "/x\n",
    "//x/..",
  ])("calls a path as it stands, or not at all: %j", async (address) => {
    const { call, seen, count } = resourceThat([]);
    await expect(call(address)).rejects.toMatchObject({ code: "invalid_target" });
    expect([seen, count.issued]).toEqual([[], 0]);
  });

  it.each(["/x?q=1", "/x?q=../a/./b", "/x/...", "/x/.github/..a", "/x/ü"])(
    "leaves other paths alone: %s",
    async (address) => {
      const { call, seen } = resourceThat([]);
      expect((await call(address)).status).toBe(200);
      expect(seen[0]?.url).toBe(encodeURI(`${RESOURCE}${address}`));
    },
  );

  it.each(["/x?q=1", "https://api.test/v1", new URL("https://api.test/v1/x"), new Request("https://api.test/v1/x")])(
    "takes any form of address: %s",
    async (address) => {
      const { call, seen } = resourceThat([]);
      expect((await call(address)).status).toBe(200);
      expect(String(claimsIn(seen[0]?.init)["htu"])).toMatch(/^https:\/\/api\.test\/v1(\/x)?$/);
    },
  );

  it("follows no redirect", async () => {
    const { call, seen } = resourceThat([() => new Response(null, { status: 302, headers: { location: "/" } })]);
    expect((await call("/x")).status).toBe(302);
    expect(seen[0]?.init?.redirect).toBe("manual");
  });

  it("sends again, with the same body and a new proof, when a nonce is asked for, and once only", async () => {
    const { call, seen } = resourceThat([() => nonceDemand("n1"), () => nonceDemand("n2")]);
    const request = new Request("https://api.test/v1/x", { method: "POST", body: "text", headers: { a: "b" } });
    expect((await call(request)).status).toBe(401);
    expect(seen.map(({ init }) => claimsIn(init)["nonce"])).toEqual([undefined, "n1"]);
    expect(new Set(seen.map(({ init }) => claimsIn(init)["jti"])).size).toBe(2);
    for (const { init } of seen) {
      expect(await new Response(init?.body).text()).toBe("text");
      expect(new Headers(init?.headers).get("a")).toBe("b");
    }
    await call("/x");
    expect(claimsIn(seen[2]?.init)["nonce"]).toBe("n2");
  });

  it("does not send a stream twice", async () => {
    const { call, seen } = resourceThat([() => nonceDemand("n1")]);
    const body = new Blob(["text"]).stream();
    expect((await call("/x", { method: "POST", body })).status).toBe(401);
    expect(seen).toHaveLength(1);
  });

  it("sends nothing twice that is gone once it was sent", async () => {
    const { call, seen } = resourceThat([() => nonceDemand("n1")]);
    async function* text() {
      yield new TextEncoder().encode("text");
    }
    expect((await call("/x", { method: "POST", body: text() as never })).status).toBe(401);
    expect(seen).toHaveLength(1);
  });

  it.each([
    ["a text", "text"],
    ["bytes", new TextEncoder().encode("text")],
    ["a buffer", new TextEncoder().encode("text").buffer],
    ["a blob", new Blob(["text"])],
    ["parameters", new URLSearchParams({ a: "b" })],
  ])("sends again %s", async (_, body) => {
    const { call, seen } = resourceThat([() => nonceDemand("n1")]);
    expect((await call("/x", { method: "POST", body })).status).toBe(200);
    expect(seen.map(({ init }) => init?.body)).toEqual([body, body]);
  });

  it("reads no answer of a resource to find out whether a nonce is asked for", async () => {
    const { readable } = new TransformStream<Uint8Array>();
    const answer = () => new Response(readable, { status: 400, headers: { "dpop-nonce": "n1" } });
    const { call, seen } = resourceThat([answer]);
    expect((await call("/x")).status).toBe(400);
    expect(seen).toHaveLength(1);
    await call("/x");
    expect(claimsIn(seen[1]?.init)["nonce"]).toBe("n1");
  });

  it("takes a request of another library for one, with its method", async () => {
    const { call, seen } = resourceThat([]);
    const own = new Request("https://api.test/v1/x", { method: "DELETE", headers: { a: "b" } });
    const foreign = { url: own.url, method: own.method, headers: own.headers, signal: own.signal, body: null };
    await call(foreign as never);
    await call(own, { method: "post", body: "text" });
    expect(seen.map(({ init }) => [init?.method, claimsIn(init)["htm"], init?.body])).toEqual([
      ["DELETE", "DELETE", undefined],
      ["POST", "POST", "text"],
    ]);
  });

  it("shows a token that is taken no more to nobody again, and asks for another at the next call", async () => {
    const refuse = (error: string) => () =>
      new Response(null, { status: 401, headers: { "www-authenticate": `DPoP error="${error}"` } });
    const { call, seen, count } = resourceThat([refuse("invalid_dpop_proof"), refuse("invalid_token")]);
    const statuses = [];
    for (let at = 0; at < 3; at += 1) statuses.push((await call("/x")).status);
    expect([statuses, count.issued, seen.length]).toEqual([[401, 401, 200], 2, 3]);
    expect(new Headers(seen[2]?.init?.headers).get("authorization")).toBe("DPoP token-2");
  });

  it("asks for another token where this one holds too little, for the session may have been granted more", async () => {
    const refuse = (status: number, error: string) => () =>
      new Response(null, { status, headers: { "www-authenticate": `DPoP error="${error}", scope="mcp:t:x"` } });
    const { call, count } = resourceThat([
      refuse(403, "insufficient_scope"),
      () => new Response("the upstream's own", { status: 403 }),
      refuse(403, "access_denied"),
    ]);
    const statuses = [];
    for (let at = 0; at < 4; at += 1) statuses.push((await call("/x")).status);
    expect([statuses, count.issued]).toEqual([[403, 403, 403, 200], 2]);
  });

  it("lets whoever gives up go, while others wait for the same token", async () => {
    const issued = Promise.withResolvers<{ accessToken: string; expiresAt: number; authorizationDetails: [] }>();
    const seen: unknown[] = [];
    const fetch: Fetch = async (url) => {
      seen.push(url);
      return new Response("ok");
    };
    const call = resourceFetch(RESOURCE, new DpopSender(undefined, fetch), () => issued.promise);
    const giveUp = new AbortController();
    const [left, stayed] = [call("/x", { signal: giveUp.signal }), call("/x")];
    giveUp.abort(new Error("enough"));
    await expect(left).rejects.toThrow("enough");
    await expect(call("/x", { signal: giveUp.signal })).rejects.toThrow("enough");
    issued.resolve({ accessToken: "t", expiresAt: Date.now() / 1000 + 300, authorizationDetails: [] });
    expect([(await stayed).status, seen.length]).toEqual([200, 1]);
  });

  it("shows in no error the token, the proof or the key", async () => {
    const { call } = resourceThat([
      () => {
        throw new TypeError("fetch failed");
      },
    ]);
    const faults = [await call("/x").catch(String), await call("https://evil.test/").catch(String)];
    expect(faults.join()).not.toMatch(/token-1|eyJ/);
  });

  it("asks for one token for calls at once, and for another when it has run out", async () => {
    const lasting = resourceThat([]);
    await Promise.all(Array.from({ length: 10 }, () => lasting.call("/x")));
    await lasting.call("/x");
    expect(lasting.count.issued).toBe(1);
    const short = resourceThat([], 1);
    await short.call("/x");
    await Promise.all([short.call("/x"), short.call("/x")]);
    expect(short.count.issued).toBe(2);
  });

  it("overrides what a caller put into the two headers", async () => {
    const { call, seen } = resourceThat([]);
    await call("/x", { headers: { authorization: "Bearer mine", dpop: "mine" } });
    expect(new Headers(seen[0]?.init?.headers).get("authorization")).toBe("DPoP token-1");
    expect(claimsIn(seen[0]?.init)).toMatchObject({ htm: "GET" });
  });
});
