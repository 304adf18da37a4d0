import { Buffer } from "node:buffer";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createOutbound, type TextRequest } from "./outbound.ts";

const outbound = createOutbound({ allowPrivateNetwork: false, ownOrigins: ["https://stint.acme.com"] });
const calls: { url: string; init: RequestInit }[] = [];
let answer: (init: RequestInit) => Promise<Response>;

beforeEach(() => {
  calls.length = 0;
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    calls.push({ url, init });
    return answer(init);
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const asked = (changes: Partial<TextRequest> = {}): TextRequest => ({
  url: "https://hooks.acme.com/x",
  method: "POST",
  headers: new Headers({ authorization: "Bearer a-secret" }),
  body: "a-secret",
  deadlineMs: 5000,
  maxBytes: 1000,
  ...changes,
});

describe("calls of our own: webhooks, messages, token endpoints, key sets (group F)", () => {
  it.each([
    "https://169.254.169.254/latest/meta-data",
    "https://[fd00:ec2::254]/",
    "https://metadata.google.internal/",
    "https://100.64.0.1/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://localhost./",
    "https://printer.local/",
    "https://hooks.acme.com./",
    "https://hooks.acme.com:22/",
    "http://hooks.acme.com/",
    "https://u:p@hooks.acme.com/",
    "https://stint.acme.com/admin/tenant",
    "data:text/plain,x",
    "file:///etc/passwd",
    "blob:https://hooks.acme.com/1",
    "gopher://hooks.acme.com/",
    "ftp://hooks.acme.com/",
  ])("F02 F04 F05 F06 F07 F10 never go to %s", async (url) => {
    expect(await outbound.text(asked({ url }))).toEqual({ ok: false, error: { kind: "refused_address" } });
    expect(calls).toEqual([]);
  });

  it.each([301, 302, 303, 307, 308])(
    "F08 follow no redirect (%i), and send what is secret nowhere else",
    async (status) => {
      answer = () => Promise.resolve(new Response(null, { status, headers: { location: "https://10.0.0.1/" } }));
      expect(await outbound.text(asked())).toMatchObject({ ok: true, value: { status } });
      expect(calls).toHaveLength(1);
      expect(calls[0]?.init).toMatchObject({ redirect: "manual", cache: "no-store" });
    },
  );

  it("F13 keep no cookie: what one answer sets, no later call sends", async () => {
    answer = () => Promise.resolve(new Response("{}", { headers: { "set-cookie": "session=1; Path=/" } }));
    for (let times = 0; times < 2; times += 1) await outbound.text(asked());
    for (const { url, init } of calls) expect(new Request(url, init).headers.get("cookie")).toBeNull();
  });

  it("give up an answer that is too large, wherever it turns out", async () => {
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(Buffer.alloc(100)) });
    answer = () => Promise.resolve(new Response(endless));
    expect(await outbound.text(asked())).toEqual({ ok: false, error: { kind: "too_large" } });
  });

  it("give up one that does not come, once", async () => {
    answer = ({ signal }) =>
      new Promise((_, fail) => signal!.addEventListener("abort", () => fail(new Error("aborted"))));
    const given = await outbound.text(asked({ deadlineMs: 1 }));
    expect(given).toEqual({ ok: false, error: { kind: "timeout" } });
    expect(calls).toHaveLength(1);
  });

  it("try nothing twice", async () => {
    answer = () => Promise.reject(new Error("connection reset"));
    expect(await outbound.text(asked())).toEqual({ ok: false, error: { kind: "network" } });
    expect(calls).toHaveLength(1);
  });
});
