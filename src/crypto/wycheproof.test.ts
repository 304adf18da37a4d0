import type { JWK } from "jose";
import { describe, expect, it } from "vitest";
import { vectors, type Vector, type VectorGroup } from "../../test/support/wycheproof.ts";
import { readRemoteJwks } from "../protocol/jwks.ts";
import { isSignedBy, readCompactJws } from "./jws.ts";
import { importPublicKey } from "./public-key.ts";

/** Byte for byte the same as vectors that are valid: no verifier can tell them apart. */
const SAME_AS_VALID = [367, 370];

const signatures = vectors("json-web-signature");
const keys = vectors("json-web-key");
const absent = "the vectors are not here, so this did not run (WYCHEPROOF_DIR names where they are)";

/** What every place that takes a JWT does with a signature, before it looks at any claim. */
async function accepts(jws: string, jwk: object): Promise<boolean> {
  const read = readCompactJws(jws, false);
  if (!read.ok) return false;
  const key = await importPublicKey(jwk, read.value.alg);
  return key.ok && (await isSignedBy(read.value, key.value.key));
}

const keyOf = ({ public: publicKey, private: privateKey }: VectorGroup): object => publicKey ?? privateKey;
const each = (groups: readonly VectorGroup[]): [string, Vector, VectorGroup][] =>
  groups.flatMap((group) =>
    group.tests.map(
      (test) => [`${test.tcId} ${group.comment} ${test.comment}`, test, group] as [string, Vector, VectorGroup],
    ),
  );

describe("Wycheproof's JSON Web Signature vectors", () => {
  if (signatures === undefined) {
    it.skip(absent, () => undefined);
    return;
  }
  const all = each(signatures);

  it("refuses every invalid one", async () => {
    const invalid = all.filter(([, { result, tcId }]) => result === "invalid" && !SAME_AS_VALID.includes(tcId));
    expect(invalid.length).toBeGreaterThan(300);
    const accepted = [];
    for (const [name, { jws }, group] of invalid) if (await accepts(jws, keyOf(group))) accepted.push(name);
    expect(accepted).toEqual([]);
  });

  it("accepts the valid ones of the algorithms that Stint speaks, and of no other", async () => {
    const accepted = [];
    for (const [, { jws, result, tcId }, group] of all)
      if (result === "valid" && (await accepts(jws, keyOf(group)))) accepted.push([tcId, group.comment]);
    expect(accepted.length).toBeGreaterThan(3);
    for (const [, comment] of accepted) expect(comment).toMatch(/es256|ps256|rfc7520|SpecialCaseEs256/i);
  });
});

describe("Wycheproof's JSON Web Key vectors", () => {
  if (keys === undefined) {
    it.skip(absent, () => undefined);
    return;
  }

  it("refuses every invalid one, alone or in a set", async () => {
    const accepted = [];
    for (const [name, { jws, result }, group] of each(keys)) {
      const key = keyOf(group) as JWK | { keys: JWK[] };
      const set = readRemoteJwks("keys" in key ? (key as never) : ({ keys: [key] } as never));
      const candidates = "keys" in key ? (set?.keys ?? []) : [key];
      for (const candidate of candidates)
        if (result === "invalid" && (await accepts(jws, candidate))) accepted.push(name);
    }
    expect(accepted).toEqual([]);
  });

  it("J10 J12 takes no published set that shows private or symmetric keys, or two of one name", () => {
    const sets = keys.filter(({ private: key }) => "keys" in key);
    expect(sets.length).toBeGreaterThan(3);
    for (const { private: set } of sets) expect(readRemoteJwks(set as never)).toBeUndefined();
  });
});
