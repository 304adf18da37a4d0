import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Outbound, TextRequest, TextResponse } from "../connectors/outbound.ts";
import { ok, type Result } from "../domain/result.ts";
import { RemoteDocuments } from "./remote-documents.ts";

const MAX_BYTES = 1000;

let asked: TextRequest[];
let finish: (() => void)[];
let documents: RemoteDocuments;
beforeEach(() => {
  asked = [];
  finish = [];
  const text = (request: TextRequest): Promise<Result<TextResponse, never>> => {
    asked.push(request);
    const headers = new Headers({ "content-type": "application/json", "set-cookie": "a=b" });
    return new Promise((done) => void finish.push(() => done(ok({ status: 200, headers, text: "{}" }))));
  };
  documents = new RemoteDocuments({ text } as Outbound);
});

const readOf = (n: number, isConfigured = false) =>
  documents.read(`https://client-${n}.example/metadata.json`, MAX_BYTES, isConfigured);

/** Answers whatever waits. */
async function finishAll(reads: readonly Promise<unknown>[]): Promise<void> {
  for (const done of finish.splice(0)) done();
  await Promise.all(reads);
}

describe("documents that strangers name", () => {
  it("F09 F13 are asked for with nothing that is secret, and no cookie of an earlier answer", async () => {
    await finishAll([readOf(1)]);
    documents.drop("https://client-1.example/metadata.json");
    await finishAll([readOf(1)]);
    expect(asked).toHaveLength(2);
    for (const { method, headers, body } of asked)
      expect([method, headers, body]).toEqual(["GET", { accept: "application/json" }, undefined]);
  });

  it("F15 are fetched six at once, and what the tenant itself names beside them", async () => {
    const reads = Array.from({ length: 6 }, (_, n) => readOf(n));
    expect(await readOf(6)).toEqual({ ok: false, error: "too_many" });
    const own = readOf(7, true);
    expect(asked).toHaveLength(7);
    await finishAll([...reads, own]);
    const again = readOf(6);
    expect(asked).toHaveLength(8);
    await finishAll([again]);
  });

  it("F15 are fetched sixty times a minute", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      for (let n = 0; n < 60; n += 1) await finishAll([readOf(n)]);
      expect(await readOf(60)).toEqual({ ok: false, error: "too_many" });
      vi.setSystemTime(Date.now() + 60_000);
      const later = readOf(60);
      expect(asked).toHaveLength(61);
      await finishAll([later]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("F15 are fetched once, however many ask for the same at the same time", async () => {
    const reads = Array.from({ length: 20 }, () => readOf(1));
    expect(asked).toHaveLength(1);
    await finishAll(reads);
    await readOf(1);
    expect(asked).toHaveLength(1);
  });
});
