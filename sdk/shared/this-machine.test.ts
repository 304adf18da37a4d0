import { describe, expect, it } from "vitest";
import { isThisMachine } from "./this-machine.ts";

describe("the machine that this runs on", () => {
  it.each([
    "localhost",
    "LOCALHOST.",
    "a.b.localhost",
    "127.0.0.1",
    "127.255.0.9",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f12:3456]",
    "[::127.0.0.1]",
    "[::ffff:0.0.0.0]",
  ])("is %s", (host) => {
    expect(isThisMachine(new URL(`https://${host}:8443/x`))).toBe(true);
  });

  it.each([
    "localhost.evil.test",
    "notlocalhost",
    "127.0.0.1.evil.test",
    "128.0.0.1",
    "10.0.0.1",
    "[::2]",
    "[2001:db8::7f00:1]",
    "[::ffff:10.0.0.1]",
    "evil.test",
  ])("is not %s", (host) => {
    expect(isThisMachine(new URL(`https://localhost@${host}/`))).toBe(false);
  });
});
