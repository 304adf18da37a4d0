import { describe, expect, it } from "vitest";
import type { Outbound } from "../connectors/outbound.ts";
import { ok } from "../domain/result.ts";
import { RemoteDocuments } from "./remote-documents.ts";

describe("documents of strangers (F15)", () => {
  it("F15 are fetched six at a time, whoever asks how fast; the others are told to wait", async () => {
    const answer = Promise.withResolvers<void>();
    let fetched = 0;
    const outbound = {
      text: async () => {
        fetched += 1;
        await answer.promise;
        return ok({ status: 200, headers: new Headers({ "content-type": "application/json" }), text: "{}" });
      },
    } as unknown as Outbound;
    const documents = new RemoteDocuments(outbound);
    const asked = Array.from({ length: 50 }, (_, at) =>
      documents.read(`https://tools.acme.com/${at}.json`, 1000, false),
    );
    // Whoever asks for what is on its way shares it, and what the operator named is not kept waiting.
    const shared = documents.read("https://tools.acme.com/0.json", 1000, false);
    const configured = documents.read("https://idp.acme.com/jwks", 1000, true);
    expect(fetched).toBe(7);
    answer.resolve();
    const results = await Promise.all(asked);
    expect(results.filter((result) => result.ok)).toHaveLength(6);
    expect(results.filter((result) => !result.ok && result.error === "too_many")).toHaveLength(44);
    expect([(await shared).ok, (await configured).ok]).toEqual([true, true]);
  });
});
