import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { auditRows } from "./support/audit-rows.ts";
import { ProxyCaller, wholeOf } from "./support/proxy-caller.ts";
import { approvedSession, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

const KEY = "weather-secret-key";

let world: TestWorld;
let session: Approved;
let caller: ProxyCaller;
beforeAll(async () => {
  world = await startTestWorld();
  session = await approvedSession(world);
  caller = new ProxyCaller(world, session, await session.proxyToken("echo"));
});
afterAll(() => world?.close());
beforeEach(() => {
  world.echo.seen.length = 0;
  world.echo.byHand = undefined;
  world.echo.answer = () => ({ status: 200, body: "{}" });
});

/** Answers the next calls with these pieces, each written on its own. */
function answerWith(headers: Record<string, string>, ...pieces: (string | Uint8Array)[]): void {
  world.echo.byHand = (_, outgoing) => {
    outgoing.writeHead(200, headers);
    const write = ([piece, ...rest]: readonly (string | Uint8Array)[]): void => {
      if (piece === undefined) outgoing.end();
      else outgoing.write(piece, () => setImmediate(write, rest));
    };
    write(pieces);
  };
}

const base64 = (before: string): string => Buffer.from(`${before}${KEY}"}`).toString("base64");

describe("P27 an upstream that shows our credential", () => {
  it.each([
    ["plain", KEY],
    ["in a document of the request's headers", JSON.stringify({ headers: { "X-Api-Key": KEY } })],
    ["in capitals", KEY.toUpperCase()],
    ["in base64", base64("")],
    ["in base64, one byte on", base64("x")],
    ["in base64, two bytes on", base64("xy")],
    ["in base64url", Buffer.from(`??>${KEY}`).toString("base64url")],
    ["percent-encoded", [...KEY].map((char) => `%${char.charCodeAt(0).toString(16)}`).join("")],
    ["JSON-escaped", [...KEY].map((char) => `\\u00${char.charCodeAt(0).toString(16)}`).join("")],
    ["in character references", [...KEY].map((char) => `&#${char.charCodeAt(0)};`).join("")],
    ["in hex", Buffer.from(KEY).toString("hex")],
    ["in UTF-16", Buffer.from(KEY, "utf16le")],
  ])("is stopped when it does so %s", async (_, shown) => {
    answerWith({ "content-type": "text/plain" }, "x".repeat(1000), shown);
    const answer = await caller.call();
    expect(answer.status === 502 || answer.isCut).toBe(true);
    expect(answer.body).not.toContain(Buffer.from(shown).toString("latin1"));
    answerWith({}, shown);
    const short = await caller.call();
    // One whose end is there at once is stopped before its head has left.
    expect(short.status === 502 || short.isCut).toBe(true);
    if (!short.isCut) expect(JSON.parse(short.body)).toMatchObject({ error: "credential_echoed" });
    expect(short.body).not.toContain(Buffer.from(shown).toString("latin1"));
  });

  it.each([200, 400, 404, 500])("is stopped whatever its status says (%i)", async (status) => {
    world.echo.answer = ({ headers }) => ({ status, body: JSON.stringify(headers) });
    expect(await caller.call()).toMatchObject({ status: 502 });
  });

  it.each([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ])("is stopped when it does so inside %s", async (encoding, compress) => {
    answerWith({ "content-encoding": encoding }, compress(Buffer.from(`{"key":"${KEY}"}`)));
    const answer = await caller.call();
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({ error: "credential_echoed" });
    answerWith({ "content-encoding": encoding }, compress(Buffer.from("harmless")));
    expect(await caller.call()).toMatchObject({ status: 200, body: "harmless", isCut: false });
  });

  it.each([
    ["deflate", deflateSync(KEY)],
    ["deflate", deflateRawSync(KEY)],
    ["gzip, gzip", gzipSync(gzipSync(KEY))],
    ["GZIP", gzipSync(KEY)],
    ["Br", brotliCompressSync(KEY)],
    ["zstd", KEY],
    ["x-unheard-of", KEY],
  ])("P27 cannot hide it in an encoding that nobody asked for, or in other letters (%s)", async (encoding, body) => {
    answerWith({ "content-encoding": encoding }, body);
    const answer = await caller.call();
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({ error: "upstream_encoding" });
  });

  it.each(["x-debug", "set-cookie", "etag", "link", "location", "x-request-id", "retry-after"])(
    "is stopped when it does so in the header %s",
    async (name) => {
      const value = name === "location" ? `/things?x=${base64("")}` : `<${KEY}>`;
      world.echo.answer = () => ({ status: name === "location" ? 302 : 200, headers: { [name]: value }, body: "{}" });
      const answer = await caller.call();
      expect(answer.status).toBe(502);
      expect(JSON.stringify(answer)).not.toContain(KEY);
      expect(JSON.parse(answer.body)).toMatchObject({ error: "credential_echoed" });
    },
  );

  it("is cut off in the middle, with no part of the key let out, however the chunks fall", async () => {
    for (const at of [1, 5, KEY.length - 1]) {
      world.echo.byHand = (_, outgoing) => {
        outgoing.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
        // The rest follows when the caller has the head, and nothing can be taken back any more.
        outgoing.on("show", () => outgoing.write(KEY.slice(0, at), () => outgoing.end(KEY.slice(at))));
        shown = () => outgoing.emit("show");
      };
      let shown = (): unknown => undefined;
      const response = await caller.begin();
      expect(response.statusCode).toBe(200);
      shown();
      expect(await wholeOf(response)).toMatchObject({ body: "data: 1\n\n", isCut: true });
    }
  });

  it("is written down and flagged, without the credential, and the session goes on", async () => {
    answerWith({}, KEY);
    await caller.call();
    const rows = await until("the alert in the ledger", async () => {
      const all = (await auditRows(world)).filter(({ type }) => type === "upstream.credential_echoed");
      return all.length > 0 ? all : undefined;
    });
    expect(JSON.parse(rows.at(-1)!.data)).toMatchObject({ upstream: "echo" });
    expect(world.broker.output()).toContain("upstream.credential_echoed");
    expect(world.broker.output()).not.toContain(KEY);
    expect(JSON.stringify(rows)).not.toContain(KEY);
    world.echo.byHand = undefined;
    expect((await caller.call()).status).toBe(200);
    const flagged = await until("the flag", async () => {
      const { body } = await world.broker.admin("GET", "/admin/upstreams");
      const { upstreams } = body as { upstreams: { id: string; credential_echoed: { times: number } | null }[] };
      return upstreams.find(({ credential_echoed }) => credential_echoed !== null);
    });
    expect(flagged).toMatchObject({ id: "echo" });
    expect((await world.broker.admin("POST", "/admin/upstreams/echo/clear", {})).status).toBe(200);
    expect((await world.broker.admin("POST", "/admin/upstreams/github/clear", {})).status).toBe(404);
    await until("both in the ledger", async () => {
      const types = (await auditRows(world)).map(({ type }) => type);
      return (types.includes("upstream.flagged") && types.includes("upstream.cleared")) || undefined;
    });
  });

  it("may say half of it, and things that are like it", async () => {
    const body = `${KEY.slice(0, -1)} weather-secret ${Buffer.from("weather").toString("base64")}`;
    answerWith({}, body);
    expect(await caller.call()).toMatchObject({ status: 200, body, isCut: false });
  });

  it("P29 gives no slice of an answer, in which a part of it would not be known", async () => {
    await caller.call("GET", "/proxy/echo/things", { range: "bytes=0-7", "if-range": '"x"' });
    expect(world.echo.seen[0]?.headers["range"]).toBeUndefined();
    expect(world.echo.seen[0]?.headers["if-range"]).toBeUndefined();
  });
});
