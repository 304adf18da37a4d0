import { Buffer } from "node:buffer";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { credentialForms } from "../domain/credential-forms.ts";
import { EchoTexts, EchoWatch } from "../domain/echo-watch.ts";
import { createOutbound, type StreamAnswer, type StreamRequest } from "./outbound.ts";
import type { BodyFault } from "./relayed-body.ts";

const outbound = createOutbound({ allowPrivateNetwork: false, ownOrigins: [] });
const KEY = "a-long-secret-key";
const ended: (BodyFault | undefined)[] = [];

/** An upstream that does what it is told, or waits until it is given up. */
let upstream: (init: RequestInit) => Promise<Response>;

beforeEach(() => {
  ended.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal("fetch", (_: string, init: RequestInit) => Promise.race([upstream(init), abortOf(init.signal!)]));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, fail) => signal.addEventListener("abort", () => fail(new Error("aborted"))));
}

function asked(changes: Partial<StreamRequest> = {}): StreamRequest {
  return {
    url: "https://api.acme.com/x",
    method: "POST",
    headers: new Headers(),
    body: null,
    bodyLength: undefined,
    deadlineMs: 30_000,
    idleDeadlineMs: 60_000,
    totalDeadlineMs: 300_000,
    maxBytes: 1_000_000,
    signal: new AbortController().signal,
    watch: new EchoWatch(new EchoTexts(credentialForms(KEY))),
    onEnd: (fault) => ended.push(fault),
    ...changes,
  };
}

function byteStream(source: UnderlyingByteSource): ReadableStream<Uint8Array> {
  return new ReadableStream(source as object);
}

/** A byte stream that is made as it is read, for ever. */
function endless(onPull: () => void = () => undefined): ReadableStream<Uint8Array> {
  return byteStream({
    type: "bytes",
    pull(controller) {
      onPull();
      controller.enqueue(Buffer.alloc(1000, "x"));
    },
  });
}

/** A byte stream that says these things and then nothing more. */
function saying(...words: string[]): ReadableStream<Uint8Array> {
  return byteStream({
    type: "bytes",
    start(controller) {
      for (const word of words) controller.enqueue(Buffer.from(word));
    },
  });
}

async function readAll({ body }: StreamAnswer): Promise<{ size: number; fault?: string }> {
  let size = 0;
  try {
    for await (const chunk of body as ReadableStream<Uint8Array>) size += chunk.byteLength;
    return { size };
  } catch (fault) {
    return { size, fault: (fault as Error).message };
  }
}

describe("an answer that ends with its first bytes", () => {
  const answering = (body: BodyInit) => {
    upstream = () => Promise.resolve(new Response(body));
    return outbound.stream(asked());
  };

  it("is there whole, and over", async () => {
    expect(await answering("hello")).toMatchObject({ ok: true, value: { body: new TextEncoder().encode("hello") } });
    expect(ended).toEqual([undefined]);
  });

  it("is there whole also when its end could have been the beginning of the credential", async () => {
    const text = `hello ${KEY.slice(0, -1)}`;
    expect(await answering(text)).toMatchObject({ ok: true, value: { body: new TextEncoder().encode(text) } });
  });

  it("is refused when it holds the credential, also in two pieces", async () => {
    const refused = { ok: false, error: { kind: "credential_echoed" } };
    expect(await answering(`{"key":"${KEY}"}`)).toEqual(refused);
    const pieces = byteStream({
      type: "bytes",
      start(controller) {
        for (const part of [KEY.slice(0, 5), KEY.slice(5)]) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    expect(await answering(pieces)).toEqual(refused);
  });

  it("is empty when it is empty", async () => {
    const answer = (await answering("")) as { value: StreamAnswer };
    expect(await new Response(answer.value.body as BodyInit | null).text()).toBe("");
  });

  it("passes as it comes when it does not end", async () => {
    const answer = answering(saying("hello"));
    await vi.advanceTimersByTimeAsync(2);
    const reader = ((await answer) as { value: { body: ReadableStream<Uint8Array> } }).value.body.getReader();
    expect(await reader.read()).toEqual({ done: false, value: new Uint8Array(Buffer.from("hello")) });
    expect(ended).toEqual([]);
  });
});

describe("deadlines of a call (faults FI, FJ, B10)", () => {
  it("gives an upstream up that does not begin to answer", async () => {
    upstream = () => new Promise(() => undefined);
    const answer = outbound.stream(asked());
    await vi.advanceTimersByTimeAsync(29_999);
    expect(ended).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await answer).toEqual({ ok: false, error: { kind: "timeout" } });
    expect(ended).toEqual([undefined]);
  });

  it("blames the upstream for no more than its own time: what a slow caller sends is not counted", async () => {
    let send: ReadableByteStreamController | undefined;
    const body = byteStream({ type: "bytes", start: (controller) => void (send = controller) });
    upstream = async ({ body: sent }) => {
      await new Response(sent).arrayBuffer();
      return new Promise(() => undefined);
    };
    const answer = outbound.stream(asked({ body }));
    for (let at = 0; at < 4; at += 1) {
      await vi.advanceTimersByTimeAsync(20_000);
      send?.enqueue(Buffer.from("x"));
    }
    send?.close();
    send?.byobRequest?.respond(0);
    await vi.advanceTimersByTimeAsync(29_000);
    expect(ended).toEqual([]);
    await vi.advanceTimersByTimeAsync(1500);
    expect(await answer).toEqual({ ok: false, error: { kind: "timeout" } });
  });

  it("ends a call in which nothing moves any more", async () => {
    upstream = () => Promise.resolve(new Response(saying("hello")));
    const answering = outbound.stream(asked());
    await vi.advanceTimersByTimeAsync(2);
    const answer = await answering;
    const read = answer.ok ? readAll(answer.value) : undefined;
    await vi.advanceTimersByTimeAsync(119_000);
    expect(ended).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await read).toEqual({ size: 5, fault: "broken" });
    expect(ended).toEqual(["broken"]);
  });

  it("ends a call that never comes to an end, though something moves", async () => {
    let timer: ReturnType<typeof setInterval>;
    const body = byteStream({
      type: "bytes",
      start(controller) {
        timer = setInterval(() => controller.enqueue(Buffer.from("x")), 10_000);
      },
      cancel: () => clearInterval(timer),
    });
    upstream = () => Promise.resolve(new Response(body));
    const answering = outbound.stream(asked());
    await vi.advanceTimersByTimeAsync(1000);
    const answer = await answering;
    const read = answer.ok ? readAll(answer.value) : undefined;
    await vi.advanceTimersByTimeAsync(298_000);
    expect(ended).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await read).toMatchObject({ size: 29, fault: "broken" });
  });
});

describe("sizes and back-pressure (O10, faults FJ, FX)", () => {
  it("cuts an answer without end at the limit", async () => {
    upstream = () => Promise.resolve(new Response(endless()));
    const answer = await outbound.stream(asked());
    const { size, fault } = await readAll((answer as { value: StreamAnswer }).value);
    expect(fault).toBe("too_large");
    expect(size).toBeLessThanOrEqual(1_000_000);
    expect(ended).toEqual(["too_large"]);
  });

  it("refuses one that is too large from the beginning", async () => {
    upstream = () => Promise.resolve(new Response("x".repeat(100)));
    expect(await outbound.stream(asked({ maxBytes: 10 }))).toEqual({ ok: false, error: { kind: "too_large" } });
  });

  it("reads no faster than the caller does", async () => {
    let pulls = 0;
    upstream = () => Promise.resolve(new Response(endless(() => (pulls += 1))));
    const answer = await outbound.stream(asked({ maxBytes: 1e9 }));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(pulls).toBeLessThan(300);
    await ((answer as { value: StreamAnswer }).value.body as ReadableStream).cancel();
    expect(ended).toEqual(["broken"]);
  });

  it("sends no more than the limit, whether the caller says how much it is or not", async () => {
    upstream = async ({ body }) => new Response(String((await new Response(body).arrayBuffer()).byteLength));
    const tooLarge = { ok: false, error: { kind: "body_too_large" } };
    expect(await outbound.stream(asked({ body: endless(), bodyLength: 2_000_000 }))).toEqual(tooLarge);
    expect(await outbound.stream(asked({ body: endless() }))).toEqual(tooLarge);
    expect(ended).toEqual([undefined, undefined]);
  });

  it("does not send half a body as if it were whole", async () => {
    upstream = async ({ body }) => new Response(String((await new Response(body).arrayBuffer()).byteLength));
    const body = new Blob(["12345"]).stream();
    const answer = await outbound.stream(asked({ body, bodyLength: 6 }));
    expect(answer).toEqual({ ok: false, error: { kind: "body_broken" } });
  });
});

describe("who may be called, and how often (P30, F08)", () => {
  it("does not call an address that it may not, and follows nothing", async () => {
    const inits: RequestInit[] = [];
    upstream = (init) => {
      inits.push(init);
      return Promise.resolve(new Response(null, { status: 307, headers: { location: "https://169.254.169.254/" } }));
    };
    const refused = await outbound.stream(asked({ url: "https://169.254.169.254/latest" }));
    expect(refused).toEqual({ ok: false, error: { kind: "refused_address" } });
    const answer = await outbound.stream(asked());
    expect(answer).toMatchObject({ ok: true, value: { status: 307 } });
    expect(inits).toHaveLength(1);
    expect(inits[0]).toMatchObject({ redirect: "manual", cache: "no-store" });
  });

  it("asks once, whatever comes of it", async () => {
    let calls = 0;
    upstream = () => {
      calls += 1;
      return Promise.reject(new Error("connection reset"));
    };
    expect(await outbound.stream(asked())).toEqual({ ok: false, error: { kind: "network" } });
    expect(calls).toBe(1);
  });
});
