import { env } from "cloudflare:workers";
import { reset, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it } from "vitest";
import { arm } from "./arm.ts";

const LATER = 4_000_000_000_000;

afterEach(() => reset());

it("brings an alarm forward and never puts it off", async () => {
  await runInDurableObject(env.LEDGER.getByName("any"), async (_, { storage }) => {
    await arm(storage, [undefined]);
    expect(await storage.getAlarm()).toBeNull();
    await arm(storage, [undefined, LATER + 5, LATER + 9]);
    expect(await storage.getAlarm()).toBe(LATER + 5);
    await arm(storage, [LATER + 8]);
    expect(await storage.getAlarm()).toBe(LATER + 5);
    await arm(storage, [LATER]);
    expect(await storage.getAlarm()).toBe(LATER);
  });
});
