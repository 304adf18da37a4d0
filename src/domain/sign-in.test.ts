import { expect, it } from "vitest";
import { isFresh } from "./sign-in.ts";

const AT = 1_800_000_000;
const MINUTE = 60;
const sso = { max_age: "5m" } as never;
const byPasskey = { at: AT, how: { by: "passkey" }, roles: [] } as const;
/** Signed in here a while after the provider saw them. */
const byProvider = {
  at: AT + 4 * MINUTE,
  how: { by: "sso", identity: { issuer: "i", subject: "s", auth_time: AT } },
  roles: [],
} as const;

it("a sign-in is fresh for a quarter of an hour, or for as long as the tenant says since the provider saw them", () => {
  expect(isFresh(byPasskey, sso, AT + 15 * MINUTE)).toBe(true);
  expect(isFresh(byPasskey, sso, AT + 15 * MINUTE + 1)).toBe(false);
  expect(isFresh(byProvider, sso, AT + 5 * MINUTE)).toBe(true);
  expect(isFresh(byProvider, sso, AT + 5 * MINUTE + 1)).toBe(false);
});
