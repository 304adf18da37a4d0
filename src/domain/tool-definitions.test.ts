import { describe, expect, it } from "vitest";
import { hasToProve, inForce, isHeld, keyName, NEVER_SEEN, type KnownDefinitions } from "./tool-definitions.ts";

const KEY = { kty: "EC", crv: "P-256", x: "x", y: "y", kid: "server" };
const SERVER = { definitions: "signed", resource: "https://tickets.test/mcp", jwks: { keys: [KEY] } } as const;
const PINNED = { ...SERVER, definitions: "pinned" } as const;
const signed = { tools: { open: "s1", close: "s2" }, resource: SERVER.resource, issued_at: 100, expires_at: 200 };
const known = (accepted: Record<string, string> = {}, proposal?: string): KnownDefinitions => ({
  accepted,
  signed: { ...signed, key: keyName(KEY) },
  proposal,
});

describe("what counts of a server's definitions", () => {
  it("is what it signed, until that is over, and what its owner accepted after it", () => {
    expect(inForce(known(), SERVER, 199)).toEqual({ accepted: signed.tools });
    expect(inForce(known({ open: "o1" }), SERVER, 199)).toEqual({ accepted: { open: "o1", close: "s2" } });
    expect(inForce(known({ open: "o1" }), SERVER, 200)).toEqual({ accepted: { open: "o1" }, lapsed: true });
    expect(inForce(known(), SERVER, 200)).toEqual({ accepted: {}, lapsed: true });
  });

  it.each([
    ["its owner goes by its signature no more", PINNED],
    ["its key was taken away", { ...SERVER, jwks: { keys: [{ ...KEY, x: "other" }] } }],
    ["its keys are published elsewhere", { ...SERVER, jwks: undefined }],
    ["it moved", { ...SERVER, resource: "https://elsewhere.test/mcp" }],
  ])("is nothing that it signed where %s", (_, server) => {
    expect(inForce(known(), server, 150)).toEqual({ accepted: {}, lapsed: true });
  });

  it("is the same key under another name, and another by any of its members", () => {
    expect(keyName({ ...KEY, kid: "new", alg: "ES256", use: "sig" })).toBe(keyName(KEY));
    expect(keyName({ ...KEY, y: "z" })).not.toBe(keyName(KEY));
  });

  it("misses nothing where its owner has accepted all that it signed", () => {
    expect(inForce(known({ open: "o1", close: "o2" }), SERVER, 300)).toEqual({ accepted: { open: "o1", close: "o2" } });
  });
});

describe("no token is made for a server", () => {
  const lapsed = inForce(known(), SERVER, 300);
  const holds = inForce(known(), SERVER, 150);

  it("that changed after it was accepted, by whomever", () => {
    for (const [definitions, held] of [
      [inForce(known({}, "d"), SERVER, 150), true],
      [inForce(known({}, "d"), SERVER, 300), true],
      [{ accepted: { open: "o" }, proposal: "d" }, true],
      [{ accepted: {}, proposal: "d" }, false],
      [holds, false],
      [NEVER_SEEN, false],
    ] as const)
      expect([isHeld(definitions, SERVER), isHeld(definitions, PINNED)]).toEqual([held, held]);
  });

  it("whose signature its owner does not go by any more, until they accept what it shows", () => {
    expect([isHeld(lapsed, PINNED), isHeld(lapsed, SERVER)]).toEqual([true, false]);
  });

  it("that has to prove itself, until it does or its owner accepts", () => {
    for (const [definitions, must] of [
      [NEVER_SEEN, true],
      [lapsed, true],
      [holds, false],
      [{ accepted: { open: "o" } }, false],
    ] as const)
      expect([hasToProve(definitions, SERVER), hasToProve(definitions, PINNED)]).toEqual([must, false]);
  });
});
