import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importKek, kekIdOf, type Kek } from "./kek.ts";
import { seal, sealedVersion, unseal } from "./seal.ts";
import { newTenantKey, openVault, rewrap, type Vault, type WrappedKey } from "./vault.ts";

const ISSUER = "https://stint.test";
const CONTEXT = { issuer: ISSUER, kind: "lease", name: "github lea_1 credential" };
const newKek = (): Promise<Kek> => importKek(crypto.getRandomValues(new Uint8Array(32)));
const newKeys = async (kek: Kek): Promise<WrappedKey[]> => [
  await newTenantKey(kek, ISSUER, "derive", 1),
  await newTenantKey(kek, ISSUER, "seal", 1),
];
const kek = await newKek();
const keys = await newKeys(kek);

async function open(ring: Parameters<typeof openVault>[0], stored: readonly WrappedKey[]): Promise<Vault> {
  const opened = await openVault(ring, ISSUER, stored);
  if (!("vault" in opened)) throw new Error(opened.unknown_kek);
  return opened.vault;
}

describe("the vault (group Y, fault FL)", () => {
  it("opens for its tenant, purpose, version and key-encryption key alone", async () => {
    const [derive, sealing] = keys as [WrappedKey, WrappedKey];
    expect(await openVault({ current: kek }, ISSUER, keys)).toHaveProperty("vault");
    for (const [issuer, stored] of [
      ["https://other.test", keys],
      [ISSUER, [{ ...derive, purpose: "seal" as const, version: 1 }, sealing]],
      [ISSUER, [derive, { ...sealing, version: 2 }]],
      [ISSUER, [{ ...derive, wrapped: sealing.wrapped }, sealing]],
      [ISSUER, [derive]],
      [ISSUER, [sealing]],
      [ISSUER, []],
    ] as const)
      expect(await openVault({ current: kek }, issuer, stored)).toHaveProperty("unknown_kek");
    const other = await newKek();
    expect(await openVault({ current: other }, ISSUER, keys)).toEqual({ unknown_kek: kek.id });
    // Somebody else's name on it does not help.
    const renamed = keys.map((key) => ({ ...key, wrapped: key.wrapped.replace(kek.id, other.id) }));
    expect(await openVault({ current: other }, ISSUER, renamed)).toEqual({ unknown_kek: other.id });
  });

  it("opens under either of two key-encryption keys, and under the new one alone when it is wrapped anew", async () => {
    const next = await newKek();
    const ring = { current: next, old: kek };
    const before = await open(ring, keys);
    const rewrapped = await rewrap(ring, ISSUER, keys);
    expect(rewrapped.map(({ wrapped }) => kekIdOf(wrapped))).toEqual([next.id, next.id]);
    const after = await open({ current: next }, rewrapped);
    expect(after.root).toEqual(before.root);
    expect(await unseal(after, CONTEXT, await seal(before, CONTEXT, "value"))).toBe("value");
    expect(await rewrap(ring, ISSUER, rewrapped)).toEqual([]);
    // Half of it, as a crash would leave it, opens while both are there.
    expect(await openVault(ring, ISSUER, [keys[0]!, rewrapped[1]!])).toHaveProperty("vault");
  });

  it("leaves alone what it cannot open, instead of losing it", async () => {
    expect(await rewrap({ current: await newKek() }, ISSUER, keys)).toEqual([]);
  });

  it("seals with the newest version, and opens what older ones sealed (Y06)", async () => {
    const old = await open({ current: kek }, keys);
    const vault = await open({ current: kek }, [...keys, await newTenantKey(kek, ISSUER, "seal", 2)]);
    const sealed = await seal(old, CONTEXT, "value");
    expect([sealedVersion(sealed), sealedVersion(await seal(vault, CONTEXT, "value"))]).toEqual([1, 2]);
    expect(await unseal(vault, CONTEXT, sealed)).toBe("value");
    expect(await unseal(old, CONTEXT, await seal(vault, CONTEXT, "value"))).toBeUndefined();
    expect(await unseal(vault, CONTEXT, sealed.replace("s2.1.", "s2.2."))).toBeUndefined();
  });

  it("never seals the same twice the same way, and shows nothing of it", async () => {
    const vault = await open({ current: kek }, keys);
    const [one, two] = [await seal(vault, CONTEXT, "a-secret-value"), await seal(vault, CONTEXT, "a-secret-value")];
    expect(one).not.toBe(two);
    expect(Buffer.from(one.split(".")[3]!, "base64url").toString("latin1")).not.toContain("secret");
    expect(kek.id).toMatch(/^kek_[A-Za-z0-9_-]{16}$/);
  });

  it("N07 opens nothing that was moved or altered in any place", async () => {
    const vault = await open({ current: kek }, keys);
    const sealed = await seal(vault, CONTEXT, "value");
    for (const moved of [
      { ...CONTEXT, issuer: "https://other.test" },
      { ...CONTEXT, kind: "secret" },
      { ...CONTEXT, name: "github lea_1 handle" },
      { ...CONTEXT, name: "slack lea_1 credential" },
    ])
      expect(await unseal(vault, moved, sealed)).toBeUndefined();
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), fc.constantFrom(..."AZaz09-_.=+ "), async (at, char) => {
        const altered = sealed.slice(0, at) + char + sealed.slice(at + 1);
        const opened = await unseal(vault, CONTEXT, altered);
        // The last character of base64url may hold bits that mean nothing.
        expect(opened === undefined || altered === sealed || at === sealed.length - 1 || sealed[at + 1] === ".").toBe(
          true,
        );
      }),
    );
    for (const garbage of [
      "",
      "s2",
      "s2.1",
      "s2.1.",
      "s2.1..",
      "s1.a.b",
      "s2.0.a.b",
      "s2.-1.a.b",
      "s2.1.a.b.c",
      "s2.1e1.a.b",
    ])
      expect(await unseal(vault, CONTEXT, garbage), garbage).toBeUndefined();
  });
});
