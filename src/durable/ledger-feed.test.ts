import { env } from "cloudflare:workers";
import { reset, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { objectName } from "../domain/ids.ts";
import { Journal } from "./journal.ts";
import { LedgerFeed, LINGER_MS } from "./ledger-feed.ts";

const ISSUER = "https://a.test";
const START = 1_800_000_000;
const QUOTA = 100_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
});
afterEach(async () => {
  vi.useRealTimers();
  await reset();
});

const at = (second: number) => vi.setSystemTime((START + second) * 1000);
const tenant = () => env.TENANT.getByName(objectName(ISSUER));
const isBehind = async () => (await tenant().snapshot())?.isLedgerBehind;

/** A ledger whose every call comes to nothing. */
const DOWN = {
  TENANT: env.TENANT,
  LEDGER: { getByName: () => ({ append: () => Promise.reject(new Error("down")) }) },
} as never;

/** Does something to the journal of an object that has one, and to what feeds it. */
function withFeed<T>(of: Pick<Env, "LEDGER" | "TENANT">, work: (journal: Journal, feed: LedgerFeed) => T): Promise<T> {
  return runInDurableObject(env.AGENT.getByName("any"), (_, { storage }) => {
    const journal = new Journal(storage.sql, "agent:any");
    return work(journal, new LedgerFeed(of, "agent:any", journal));
  });
}

describe("FQ a ledger that is down", () => {
  it("costs nothing of an object's own chain, which is sent when it is back", async () => {
    await withFeed(DOWN, async (journal, feed) => {
      for (let n = 0; n < 3; n += 1) journal.append("token.minted", { n }, START);
      await feed.send(ISSUER);
      expect(journal.unsent(10)).toHaveLength(3);
      journal.append("token.minted", { n: 3 }, START);
    });
    await withFeed(env, async (journal, feed) => {
      await feed.send(ISSUER);
      expect(journal.unsent(10)).toEqual([]);
    });
    const rows = await env.LEDGER.getByName(objectName(ISSUER)).read(0);
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it("is asked less often the longer it lasts, and never given up", async () => {
    await withFeed(DOWN, async (journal, feed) => {
      expect(feed.delayMs()).toBeUndefined();
      journal.append("token.minted", {}, START);
      expect(feed.delayMs()).toBe(LINGER_MS);
      at(10);
      expect(feed.delayMs()).toBe(5000);
      at(3600);
      expect(feed.delayMs()).toBe(10_000);
    });
  });

  it("stops the tenant's minting once all that waits is over the quota, from whichever objects", async () => {
    await withFeed(DOWN, async (journal, feed) => {
      for (let n = 0; n < 5; n += 1) journal.append("token.minted", { n }, START);
      await feed.send(ISSUER);
    });
    expect(await isBehind()).toBe(false);
    await tenant().reportBacklog("ses_a", QUOTA - 6);
    expect(await isBehind()).toBe(false);
    await tenant().reportBacklog("ses_a", QUOTA - 5);
    expect(await isBehind()).toBe(true);
  });

  it("counts an object by its last report alone, and one that reports no more not at all", async () => {
    for (let n = 0; n < 3; n += 1) await tenant().reportBacklog("ses_a", QUOTA - 1);
    expect(await isBehind()).toBe(false);
    await tenant().reportBacklog("ses_a", QUOTA);
    expect(await isBehind()).toBe(true);
    at(29);
    expect(await isBehind()).toBe(true);
    at(30);
    expect(await isBehind()).toBe(false);
  });

  it("is news to whoever knows the tenant from before, both ways", async () => {
    const before = await tenant().snapshot();
    expect(await tenant().snapshot(before?.revision)).toBeUndefined();
    await tenant().reportBacklog("ses_a", QUOTA);
    const behind = await tenant().snapshot(before?.revision);
    expect(behind?.isLedgerBehind).toBe(true);
    expect(await tenant().snapshot(behind?.revision)).toBeUndefined();
    at(30);
    expect((await tenant().snapshot(behind?.revision))?.isLedgerBehind).toBe(false);
  });
});

describe("FQ a ledger that answers and does not keep up", () => {
  it("is reported while it is fed", async () => {
    const reports: number[] = [];
    const slow = {
      LEDGER: { getByName: () => ({ append: (_: string, events: { seq: number }[]) => events[0]!.seq - 1 }) },
      TENANT: { getByName: () => ({ reportBacklog: (_: string, rows: number) => void reports.push(rows) }) },
    } as never;
    await withFeed(slow, async (journal, feed) => {
      for (let n = 0; n < 9999; n += 1) journal.append("token.minted", {}, START);
      await feed.send(ISSUER);
      expect(reports).toEqual([]);
      journal.append("token.minted", {}, START);
      await feed.send(ISSUER);
    });
    expect(reports).toEqual([10_000]);
  });
});
