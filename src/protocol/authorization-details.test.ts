import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limit, narrow } from "../domain/access.ts";
import type { Json } from "../domain/canonical-json.ts";
import { grantedDetailsSchema, readAuthorizationDetails } from "./authorization-details.ts";

const names = (count: number, length: number, prefix = "n") =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}-`.padEnd(length, "x"));
const tools = (server: string, count: number) => ({ type: "mcp_tools", server, actions: names(count, 30) });
const access = (actions: string[], locations?: string[]) => ({
  type: "upstream_access",
  upstream: "api",
  actions,
  ...(locations === undefined ? {} : { locations }),
});
const isTaken = (details: object[]) => readAuthorizationDetails(details as unknown as Json).ok;

describe("how much may be asked for at once (Q04)", () => {
  it("is as much as a human can take in, however it is spread", () => {
    expect(isTaken(["a", "b", "c", "d"].map((server) => tools(server, 50)))).toBe(true);
    expect(isTaken([access(names(50, 40), ["acme/one"])])).toBe(true);
    expect(isTaken([access(names(50, 60))])).toBe(true);
    expect(isTaken([access(["read"], names(50, 150)), access(["write"], names(40, 100))])).toBe(false);
  });

  it("is never more than a token can hold, whatever an approver leaves of it", () => {
    const entry = fc
      .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 8, max: 120 }))
      .map(([actions, locations, length]) => access(names(actions, 20, "o"), names(locations, length)));
    const limits = { calls: 1e12, writes: 1e12, bytes: 1e12, units: 1e12 };
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 4 }), fc.infiniteStream(fc.boolean()), (asked, kept) => {
        const read = readAuthorizationDetails(asked as unknown as Json);
        if (!read.ok) return;
        const left = limit(
          narrow(read.value, () => kept.next().value === true),
          () => limits,
        );
        expect(JSON.stringify(left).length).toBeLessThanOrEqual(10_000);
        if (left.length > 0) expect(grantedDetailsSchema.safeParse(left).success).toBe(true);
      }),
    );
  });
});
