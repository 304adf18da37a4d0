import { env } from "cloudflare:workers";
import { reset } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { app } from "../app.ts";
import { seal, sealedVersion } from "../crypto/seal.ts";
import { KEY_USES } from "../crypto/signing-key.ts";
import { newTenantKey } from "../crypto/vault.ts";
import { objectName } from "../domain/ids.ts";
import { forgetTenant, loadTenant, openSealed, readSecret, requireKeks, storeSecret } from "../tenancy.ts";
import { kekState, renewTenantKeys } from "../tenant-keys.ts";

const ISSUER = "https://a.test";
const START = 1_800_000_000;
const YEAR = 366 * 86_400;
const NEXT = "bmV4dC1rZWstbmV4dC1rZWstbmV4dC1rZWstbmV4dC0";
const tenant = () => env.TENANT.getByName(objectName(ISSUER));
const withKeks = (STINT_KEK: unknown, STINT_KEK_OLD?: unknown): Env => ({ ...env, STINT_KEK, STINT_KEK_OLD }) as never;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
});
afterEach(async () => {
  vi.useRealTimers();
  forgetTenant(ISSUER);
  await reset();
});

/** As another isolate would answer, that holds other keys. */
async function ask(bindings: Env, path = "/oauth/jwks"): Promise<Response> {
  forgetTenant(ISSUER);
  return app.fetch(new Request(ISSUER + path, { headers: { host: "a.test" } }), bindings);
}

describe("renewing a tenant's own keys (Y06)", () => {
  it("seals anew what the tenant keeps, and reads it all the while", async () => {
    await storeSecret(env, ISSUER, "KEY", "value");
    expect(sealedVersion((await tenant().sealedSecret("KEY"))!)).toBe(1);
    expect(await renewTenantKeys(env, ISSUER)).toMatchObject({ version: 2, resealed: KEY_USES.length + 1 });
    expect(sealedVersion((await tenant().sealedSecret("KEY"))!)).toBe(2);
    expect(await tenant().sealedUnderOthers(2)).toEqual([]);
    expect(await readSecret(env, ISSUER, "KEY")).toBe("value");
    await storeSecret(env, ISSUER, "OTHER", "other");
    expect(sealedVersion((await tenant().sealedSecret("OTHER"))!)).toBe(2);
  });

  it("opens for ever what an old key sealed: a person's object may have kept it that long", async () => {
    const context = { issuer: ISSUER, kind: "secret", name: "account" };
    const sealed = await seal((await loadTenant(env, ISSUER)).vault, context, "value");
    for (let year = 1; year < 4; year += 1) {
      vi.setSystemTime((START + year * YEAR) * 1000);
      await renewTenantKeys(env, ISSUER);
    }
    expect((await loadTenant(env, ISSUER)).vault.version).toBe(4);
    expect(await openSealed(env, context, sealed)).toBe("value");
  });

  it("does not put an old value in the place of one that was written meanwhile", async () => {
    await storeSecret(env, ISSUER, "KEY", "old");
    const sealed = (await tenant().sealedSecret("KEY"))!;
    await storeSecret(env, ISSUER, "KEY", "new");
    await tenant().reseal([{ kind: "secret", name: "KEY", sealed, resealed: sealed }]);
    expect(await readSecret(env, ISSUER, "KEY")).toBe("new");
  });

  it("goes on where it was cut off, and reads everything in between", async () => {
    await storeSecret(env, ISSUER, "KEY", "value");
    // Cut off after the new key was stored, before anything was sealed under it.
    const { current } = await requireKeks(env);
    await tenant().renewTenantKeys(await newTenantKey(current, ISSUER, "seal", 2), [], current.id);
    // This isolate has not heard of it yet.
    expect(await readSecret(env, ISSUER, "KEY")).toBe("value");
    expect(await renewTenantKeys(env, ISSUER)).toMatchObject({ version: 3, resealed: KEY_USES.length + 1 });
    expect(await readSecret(env, ISSUER, "KEY")).toBe("value");
  });

  it("asks for a key that this isolate has not heard of", async () => {
    const stale = await loadTenant(env, ISSUER);
    await renewTenantKeys(env, ISSUER);
    await storeSecret(env, ISSUER, "KEY", "value");
    forgetTenant(ISSUER);
    expect(stale.vault.version).toBe(1);
    expect(await readSecret(env, ISSUER, "KEY")).toBe("value");
  });
});

describe("the key-encryption key (Y07, fault FL)", () => {
  it("can be changed with nobody noticing: both open, then the new one alone", async () => {
    const before = await (await ask(env)).json();
    const both = withKeks(NEXT, env.STINT_KEK);
    expect(await (await ask(both)).json()).toEqual(before);
    expect((await kekState(both, ISSUER)).still_needed).toHaveLength(1);
    await renewTenantKeys(both, ISSUER);
    expect((await kekState(both, ISSUER)).still_needed).toEqual([]);
    expect(await (await ask(withKeks(NEXT))).json()).toEqual(before);
    expect((await ask(env)).status).toBe(503);
  });

  it("may be the old one in some isolates while it is the new one in others", async () => {
    await ask(env);
    expect((await ask(withKeks(NEXT, env.STINT_KEK))).status).toBe(200);
    expect((await ask(withKeks(env.STINT_KEK, NEXT))).status).toBe(200);
  });

  it("may come from the Secrets Store", async () => {
    const before = await (await ask(env)).json();
    expect(await (await ask(withKeks({ get: () => Promise.resolve(env.STINT_KEK) }))).json()).toEqual(before);
  });

  it.each([
    ["another one", NEXT],
    ["none", undefined],
    ["an empty one", ""],
    ["one that is too short", "abc"],
    ["the admin key", env.STINT_ADMIN_KEY],
    ["a store that does not answer", { get: () => Promise.reject(new Error("no such secret")) }],
    ["a store with nothing in it", { get: () => Promise.resolve("") }],
    ["a store with the admin key in it", { get: () => Promise.resolve(env.STINT_ADMIN_KEY) }],
    ["something that is no secret", { value: env.STINT_KEK }],
  ])("that is %s gets 503, never another start and never a 500", async (_, kek) => {
    const before = await (await ask(env)).json();
    const answer = await ask(withKeks(kek));
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ error: "temporarily_unavailable" });
    expect(await (await ask(env)).json()).toEqual(before);
  });

  it("is asked for again when the store did not answer the first time", async () => {
    await ask(env);
    let calls = 0;
    const get = (): Promise<string> =>
      (calls += 1) === 1 ? Promise.reject(new Error("not now")) : Promise.resolve(env.STINT_KEK);
    const bindings = withKeks({ get });
    expect((await ask(bindings)).status).toBe(503);
    expect((await ask(bindings)).status).toBe(200);
  });
});
