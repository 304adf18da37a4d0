import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { REQUEST_LIFETIME_SECONDS } from "../../src/domain/session.ts";
import { KEY_LIVES } from "../../src/crypto/signing-key.ts";
import { objectName } from "../../src/domain/ids.ts";
import {
  admin,
  agent,
  approve,
  ASK,
  at,
  atWork,
  beginWorld,
  claimsOf,
  endWorld,
  eventsOf,
  ISSUER,
  PROXY,
  sessionObject,
} from "./world.ts";

beforeEach(() => beginWorld());
afterEach(endWorld);

describe("polling, by a clock that is set (group T)", () => {
  it("T01 T02 waits, is told to slow down, and keeps the longer interval", async () => {
    const bot = await agent(1);
    const { body: opened } = await bot.ask(ASK);
    expect(opened.interval).toBe(2);
    const answers: [second: number, error: string][] = [
      [0, "authorization_pending"],
      [2, "authorization_pending"],
      [3, "slow_down"],
      // The interval is seven seconds now, twelve after this, and then seventeen.
      [9, "slow_down"],
      [20, "slow_down"],
      [37, "authorization_pending"],
    ];
    for (const [second, error] of answers) {
      at(second);
      expect(await bot.poll(opened.auth_req_id), `second ${second}`).toMatchObject({ status: 400, body: { error } });
    }
    await approve(opened);
    // What was decided is told at once: the interval is for those who wait.
    expect((await bot.poll(opened.auth_req_id)).status).toBe(200);
  });

  it("T04 T16 is answered at once and by the clock: pending until the second of the end, expired at it, for good", async () => {
    const bot = await agent(1);
    const { body: opened } = await bot.ask(ASK);
    at(REQUEST_LIFETIME_SECONDS - 1);
    expect((await bot.poll(opened.auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    at(REQUEST_LIFETIME_SECONDS);
    for (let times = 0; times < 2; times += 1)
      expect(await bot.poll(opened.auth_req_id)).toMatchObject({ status: 400, body: { error: "expired_token" } });
    await expect(approve(opened)).rejects.toThrow("request_expired");
  });

  it("T04 yields nothing for an approval that was not fetched before its session ended", async () => {
    const bot = await agent(1);
    const { body: opened } = await bot.ask(ASK);
    await approve(opened, 60);
    at(60);
    expect((await bot.poll(opened.auth_req_id)).body).toMatchObject({ error: "expired_token" });
    expect(await eventsOf(opened.session_id)).not.toContain("token.minted");
  });

  it("T06 is nothing to another client, who spoils nothing by trying", async () => {
    const [bot, other] = [await agent(1), await agent(2)];
    const { body: opened } = await bot.ask(ASK);
    await approve(opened);
    expect(await other.poll(opened.auth_req_id)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    // Nor with the key of the one who asked.
    Object.assign(other, { proofKey: bot.proofKey });
    expect(await other.poll(opened.auth_req_id)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect((await bot.poll(opened.auth_req_id)).status).toBe(200);
  });
});

describe("a clock that is set back (fault FF)", () => {
  it("FF takes no assertion again that its client's object had forgotten", async () => {
    const { bot, sessionToken } = await atWork(1);
    const assertion = await bot.assertion();
    const asked = () => bot.form("/oauth/introspect", async () => ({ token: sessionToken, ...assertion }));
    expect((await asked()).body).toMatchObject({ active: true });
    at(400);
    await bot.introspect(sessionToken);
    await evictDurableObject(env.AGENT.getByName(objectName(ISSUER, "bot-1")));
    at(0);
    expect(await asked()).toMatchObject({ status: 401, body: { error: "invalid_client" } });
  });

  it("FF takes no proof again that a session had forgotten, though it wrote nothing down meanwhile", async () => {
    const { bot, sessionToken, opened } = await atWork(1);
    const path = `/sessions/${opened.session_id}`;
    const nonce = (await bot.call(sessionToken, "GET", path)).headers.get("dpop-nonce") ?? "";
    const headers = {
      authorization: `DPoP ${sessionToken}`,
      dpop: await bot.proof("GET", ISSUER + path, nonce, sessionToken),
    };
    expect((await fetch(ISSUER + path, { headers })).status).toBe(200);
    at(400);
    expect((await bot.call(sessionToken, "GET", path)).status).toBe(200);
    await evictDurableObject(sessionObject(opened.session_id));
    at(0);
    expect((await fetch(ISSUER + path, { headers })).status).toBe(401);
  });
});

describe("what happens between two steps (group Z)", () => {
  it("Z10 mints once for one proof, whenever its object is evicted", async () => {
    const { bot, sessionToken, opened } = await atWork(1);
    const minted = async () => (await eventsOf(opened.session_id)).filter((type) => type === "token.minted").length;
    const url = `${ISSUER}/oauth/token`;
    const nonce = (await bot.exchange(sessionToken, PROXY)).headers.get("dpop-nonce") ?? "";
    const before = await minted();
    const statuses = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const dpop = await bot.proof("POST", url, nonce);
        const send = async () => {
          const body = new URLSearchParams({
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token: sessionToken,
            subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
            resource: PROXY,
          });
          return (await fetch(url, { method: "POST", headers: { dpop }, body })).status;
        };
        const evicted = evictDurableObject(sessionObject(opened.session_id)).catch(() => undefined);
        const results = await Promise.all([send(), evicted, send()]);
        return [...results, await send()].filter((status) => status === 200).length;
      }),
    );
    expect(statuses.every((accepted) => accepted <= 1)).toBe(true);
    expect(await minted()).toBe(before + statuses.filter((accepted) => accepted === 1).length);
  });

  it("Z11 believes what was signed before its key was replaced, until its own end", async () => {
    const { bot, sessionToken, proxyToken } = await atWork(1);
    expect((await admin("POST", "/admin/keys/rotate", {})).status).toBe(200);
    const kid = (token: string) => (JSON.parse(atob(token.split(".")[0]!)) as { kid: string }).kid;
    at(KEY_LIVES.access_token.publishSeconds - 1);
    expect(kid(String((await bot.exchange(sessionToken, PROXY)).body["access_token"]))).toBe(kid(sessionToken));
    at(Math.min(KEY_LIVES.access_token.publishSeconds, 299));
    const renewed = await bot.exchange(sessionToken, PROXY);
    expect(renewed.status).toBe(200);
    expect((await bot.introspect(proxyToken)).body).toMatchObject({ active: true });
    expect(claimsOf(String(renewed.body["access_token"]))["exp"]).toBeLessThanOrEqual(
      Number(claimsOf(sessionToken)["exp"]),
    );
  });
});
