import { describe, expect, it } from "vitest";
import type { Result } from "../domain/result.ts";
import { err, ok } from "../domain/result.ts";
import type { LimitReached } from "../domain/limits.ts";
import type { AnswerCommand, ReserveCommand } from "../durable/session-commands.ts";
import { ByteMeter, type MeteredCall } from "./byte-meter.ts";

const REACHED: LimitReached = { limit: "bytes", limits: { bytes: 100 }, left: { bytes: 0 } };

/** A meter over a session that has so many bytes left, and what the session was told. */
function metered(leftBytes: number, body: MeteredCall["body"] = { stream: null, bytes: 0 }) {
  const settled: [reserved: number, passed: number][] = [];
  let left = leftBytes;
  const session = {
    reserveBytes({ neededBytes }: ReserveCommand): Promise<Result<number, LimitReached>> {
      if (neededBytes > left) return Promise.resolve(err(REACHED));
      left -= neededBytes;
      return Promise.resolve(ok(neededBytes));
    },
    settle(_: string, reserved: number, passed: number): Promise<void> {
      settled.push([reserved, passed]);
      return Promise.resolve();
    },
  };
  const meter = new ByteMeter({
    session: session as never,
    upstream: "api",
    limits: {},
    reservedBytes: 10,
    body,
    later: () => undefined,
  });
  return { meter, settled };
}

/** A stream of pieces of these sizes. */
function pieces(...sizes: number[]): ReadableStream<Uint8Array> {
  const waiting = [...sizes];
  return new ReadableStream({
    pull(controller) {
      const size = waiting.shift();
      if (size === undefined) controller.close();
      else controller.enqueue(new Uint8Array(size).fill(7));
    },
  });
}

async function lengthOf(stream: ReadableStream<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const piece of stream) length += piece.byteLength;
  return length;
}

describe("ByteMeter", () => {
  it("passes what there is room for, empty pieces among it, and has nothing to settle where all was needed", async () => {
    const { meter, settled } = metered(1000);
    expect(await lengthOf((await meter.answer(pieces(5, 0, 0, 20, 0, 30)))!)).toBe(55);
    meter.end();
    expect(settled).toEqual([]);
  });

  it("settles once", async () => {
    const { meter, settled } = metered(1000);
    expect(await lengthOf((await meter.answer(pieces(5, 2)))!)).toBe(7);
    meter.end();
    expect(settled).toEqual([[10, 7]]);
  });

  it("is read as well by whoever brings the memory", async () => {
    const { meter } = metered(1000, { stream: pieces(20, 0, 30), bytes: undefined });
    const reader = meter.request()!.getReader({ mode: "byob" });
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(7));
      if (done) break;
      expect(value.byteLength).toBeLessThanOrEqual(7);
      length += value.byteLength;
    }
    expect(length).toBe(50);
    expect(meter.signal.aborted).toBe(false);
  });

  it("breaks off where there is no more room, and says which limit it was", async () => {
    const { meter, settled } = metered(40);
    await expect(lengthOf((await meter.answer(pieces(25, 25, 25)))!)).rejects.toThrow(RangeError);
    expect(meter.reached).toEqual(REACHED);
    expect(settled).toEqual([]);
  });

  it("says of an answer that may not even begin, before it does", async () => {
    const { meter, settled } = metered(10);
    expect(await meter.answer(pieces(50, 1))).toBeUndefined();
    expect(meter.reached).toEqual(REACHED);
    expect(settled).toEqual([[10, 0]]);
  });

  it("does not wait for an answer that begins late", async () => {
    const begun = Promise.withResolvers<void>();
    const late = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await begun.promise;
        controller.enqueue(new Uint8Array(3));
        controller.close();
      },
    });
    const { meter } = metered(10);
    const stream = await meter.answer(late);
    begun.resolve();
    expect(await lengthOf(stream!)).toBe(3);
  });

  it("aborts the call when its request may not go on, and leaves it to others when the caller breaks off", async () => {
    const { meter } = metered(40, { stream: pieces(25, 25, 25), bytes: undefined });
    await expect(lengthOf(meter.request()!)).rejects.toThrow(RangeError);
    expect(meter.signal.aborted).toBe(true);
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error("gone"));
      },
    });
    const failing = metered(40, { stream: broken, bytes: undefined });
    await expect(lengthOf(failing.meter.request()!)).rejects.toThrow("gone");
    expect(failing.meter.signal.aborted).toBe(false);
  });

  it("settles with what passed when the reader goes away", async () => {
    const { meter, settled } = metered(1000);
    const reader = (await meter.answer(pieces(5, 5, 5)))!.getReader();
    await reader.read();
    await reader.cancel();
    expect(settled).toEqual([[10, 5]]);
  });

  it("lets nothing of a request pass after its answer was counted", async () => {
    const { meter, settled } = metered(1000, { stream: pieces(5, 5), bytes: undefined });
    const reader = meter.request()!.getReader();
    await reader.read();
    meter.end();
    await expect(reader.read()).rejects.toThrow(RangeError);
    expect(settled).toEqual([[10, 5]]);
  });

  it("asks for what the head of the answer says, a request's body with it", async () => {
    const { meter, settled } = metered(40, { stream: pieces(5), bytes: 5 });
    const asked: AnswerCommand[] = [];
    const begun = await meter.begin(3, async (answer) => (asked.push(answer), ok(8)));
    expect(begun).toBe(true);
    expect(asked).toMatchObject([{ reservedBytes: 10, neededBytes: 8 }]);
    expect(await lengthOf((await meter.answer(pieces(3)))!)).toBe(3);
    expect(settled).toEqual([]);
  });

  it("passes no more than the head said without asking again", async () => {
    const { meter, settled } = metered(0);
    await meter.begin(3, async () => ok(3));
    await expect(lengthOf((await meter.answer(pieces(3, 1)))!)).rejects.toThrow(RangeError);
    expect(meter.reached).toEqual(REACHED);
    expect(settled).toEqual([]);
  });

  it("asks for nothing more where the head does not say how much there will be", async () => {
    const { meter } = metered(40);
    const asked: AnswerCommand[] = [];
    await meter.begin(undefined, async (answer) => (asked.push(answer), ok(10)));
    expect(asked).toMatchObject([{ reservedBytes: 10, neededBytes: 10 }]);
  });

  it("tells an answer that a limit forbids from one that comes too late", async () => {
    const limited = metered(40);
    expect(await limited.meter.begin(50, async () => err(REACHED))).toBe(true);
    expect(limited.meter.reached).toEqual(REACHED);
    const late = metered(40);
    expect(await late.meter.begin(5, async () => err("ended"))).toBe(false);
    expect(late.meter.reached).toBeUndefined();
    expect(late.settled).toEqual([[10, 0]]);
  });

  it("frees nothing where it is not known what was freed already", async () => {
    const { meter, settled } = metered(40);
    expect(await meter.begin(5, async () => undefined)).toBe(false);
    meter.end();
    expect(settled).toEqual([]);
  });
});
