import { expect, it } from "vitest";
import type { AccessDetail } from "./access.ts";
import { usageLines } from "./usage-lines.ts";

const at = (upstream: string, limits?: object): AccessDetail =>
  ({ type: "upstream_access", upstream, actions: ["read"], ...(limits && { limits }) }) as AccessDetail;
const used = (upstream: string, calls: number, bytes = 0) => ({ upstream, calls, writes: 0, bytes, units: calls });

it("says of each limit how far it is used up, and of what has none nothing", () => {
  const details = [at("github", { calls: 200, bytes: 1_000_000 }), at("echo"), at("crm", { calls: 2 })];
  expect(usageLines(details, [used("github", 12, 3456), used("echo", 9)])).toEqual([
    "github: 12 of 200 calls, 3,456 of 1,000,000 bytes",
    "crm: 0 of 2 calls",
  ]);
});

it("says where nothing is left, also below what was used already", () => {
  expect(usageLines([at("github", { calls: 2, bytes: 9 })], [used("github", 2)])).toEqual([
    "github: 2 of 2 calls, 0 of 9 bytes (used up)",
  ]);
  expect(usageLines([at("github", { calls: 1 })], [used("github", 2)])).toEqual(["github: 2 of 1 calls (used up)"]);
});
