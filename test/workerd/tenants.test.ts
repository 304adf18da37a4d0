import { env, exports } from "cloudflare:workers";
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { app } from "../../src/app.ts";
import { objectName } from "../../src/domain/ids.ts";
import type { Tenant } from "../../src/durable/tenant.ts";
import { readSecret, storeSecret } from "../../src/tenancy.ts";
import {
  admin,
  agent,
  answerWith,
  applyDocument,
  approve,
  ASK,
  at,
  atWork,
  beginWorld,
  endWorld,
  eventsOf,
  ISSUER,
  ISSUERS,
  PROXY,
  tenantDocument,
  tick,
  movedTo,
} from "./world.ts";

beforeEach(() => beginWorld());
afterEach(endWorld);

const [, OTHER] = ISSUERS;

describe("an agent that is taken out of the document (W08)", () => {
  const without = async (id: string) => {
    const document = (await tenantDocument()) as { agents: { client_id: string }[]; policies: { agents: string[] }[] };
    return {
      ...document,
      agents: document.agents.filter(({ client_id }) => client_id !== id),
      policies: document.policies.map((policy) => ({ ...policy, agents: policy.agents.filter((one) => one !== id) })),
    };
  };

  it("W08 loses its sessions, and whoever gets its name later does not get them", async () => {
    const [work, other] = [await atWork(1), await atWork(2)];
    const { body: waiting } = await work.bot.ask({ ...ASK, task: { title: "Another task" } });
    for (const { opened } of [work, other]) await tick(opened.session_id);
    at(1);
    expect((await admin("POST", "/admin/tenant", await without("bot-1"))).status).toBe(200);
    expect((await eventsOf(work.opened.session_id)).at(-1)).toBe("session.ended");
    expect((await other.bot.exchange(other.sessionToken, PROXY)).status).toBe(200);

    at(2);
    const again = await admin("POST", "/admin/tenant?dry_run=true", await tenantDocument());
    expect(await again.json()).toMatchObject({
      warnings: expect.arrayContaining([expect.objectContaining({ path: "/agents/0/client_id" })]) as object,
    });
    await admin("POST", "/admin/tenant", await tenantDocument());
    expect((await work.bot.exchange(work.sessionToken, PROXY)).status).toBe(400);
    expect((await work.bot.call(work.proxyToken, "GET", "/proxy/api/things")).status).toBe(401);
    expect((await work.bot.introspect(work.sessionToken)).body).toEqual({ active: false });
    // A request that nobody had decided, and that the index did not know, dies with the others.
    await approve(waiting).catch(() => undefined);
    expect((await work.bot.poll(waiting.auth_req_id)).body).toMatchObject({ error: "access_denied" });
    at(10);
    const { opened } = await atWork(1);
    expect(opened.session_id).not.toBe(work.opened.session_id);
  });
});

describe("a person who is taken out of the document (W08)", () => {
  it("W08 is named to the operator with what stays behind, once", async () => {
    const document = (await tenantDocument()) as { people: { id: string }[]; policies: object[] };
    const people = document.people.filter(({ id }) => id !== "dana");
    const changed = { ...document, people, policies: [] };
    const warned = (path: string) =>
      expect.objectContaining({ path, message: expect.stringContaining("dana leaves") }) as object;
    for (const query of ["?dry_run=true", ""]) {
      const answer = await admin("POST", `/admin/tenant${query}`, changed);
      expect([answer.status, await answer.json()]).toMatchObject([200, { warnings: [warned("/people")] }]);
    }
    const same = await admin("POST", "/admin/tenant", changed);
    expect(await same.json()).toMatchObject({ warnings: [] });
  });
});

describe("a tenant that asks for nothing more (Q27)", () => {
  it("Q27 refuses requests of agents whom no policy lets ask, and tells nobody", async () => {
    const bot = await agent(1);
    const document = await tenantDocument();
    const policies = document["policies"] as { agents: string[] }[];
    for (const frozen of [
      { ...document, policies: [] },
      { ...document, policies: policies.map((policy) => ({ ...policy, agents: ["bot-2"] })) },
    ]) {
      expect((await admin("POST", "/admin/tenant", frozen)).status).toBe(200);
      expect(await bot.ask(ASK)).toMatchObject({ status: 403, body: { error: "access_denied" } });
    }
    const asked = await runInDurableObject(env.AGENT.getByName(objectName(ISSUER, "bot-1")), (_, state) =>
      state.storage.sql.exec("SELECT session_id FROM ask").toArray(),
    );
    expect(asked).toEqual([]);
  });
});

describe("two tenants that use the same names (N05, N07, N10)", () => {
  beforeEach(async () => applyDocument(await tenantDocument(OTHER), OTHER));

  it("N05 P10 keeps sessions, caps, suspensions and cut-offs of one name apart", async () => {
    const [here, there] = [await atWork(1), await atWork(1, OTHER)];
    // Pointed at the other tenant, the same client is a stranger to what it holds here.
    const strayed = await movedTo(OTHER, here.bot);
    expect((await strayed.exchange(here.sessionToken, `${OTHER}/proxy/api`)).status).toBe(400);
    expect((await strayed.poll(here.opened.auth_req_id)).body).toMatchObject({ error: "invalid_grant" });
    expect((await strayed.introspect(here.sessionToken)).body).toEqual({ active: false });
    at(1);
    expect((await admin("POST", "/admin/agents/bot-1/revoke", {})).status).toBe(200);
    expect((await here.bot.exchange(here.sessionToken, PROXY)).status).toBe(400);
    expect((await there.bot.exchange(there.sessionToken, `${OTHER}/proxy/api`)).status).toBe(200);
    at(2);
    for (let n = 0; n < 6; n += 1) await here.bot.ask({ ...ASK, task: { title: `Task ${n}` } });
    expect((await here.bot.ask({ ...ASK, task: { title: "One too many" } })).status).toBe(429);
    expect((await there.bot.ask({ ...ASK, task: { title: "One" } })).status).toBe(202);
  });

  it("N07 opens no sealed value in the place of another, of this tenant or the other", async () => {
    await storeSecret(env, ISSUER, "API_KEY", "key-of-a");
    await storeSecret(env, ISSUER, "OTHER_KEY", "other-key-of-a");
    await storeSecret(env, OTHER, "API_KEY", "key-of-b");
    const sealed = (issuer: string, name: string) => env.TENANT.getByName(objectName(issuer)).sealedSecret(name);
    const put = (issuer: string, name: string, value: string | undefined) =>
      runInDurableObject(
        env.TENANT.getByName(objectName(issuer)),
        (_: Tenant, state) =>
          void state.storage.sql.exec("UPDATE secret SET sealed = ? WHERE name = ?", value ?? "", name),
      );
    const [ofA, otherOfA, ofB] = [
      await sealed(ISSUER, "API_KEY"),
      await sealed(ISSUER, "OTHER_KEY"),
      await sealed(OTHER, "API_KEY"),
    ];
    for (const [issuer, name, moved] of [
      [ISSUER, "API_KEY", otherOfA],
      [ISSUER, "API_KEY", ofB],
      [OTHER, "API_KEY", ofA],
    ] as const) {
      const before = await sealed(issuer, name);
      await put(issuer, name, moved);
      expect(await readSecret(env, issuer, name)).toBeUndefined();
      await put(issuer, name, before);
      expect(await readSecret(env, issuer, name)).toMatch(/^key-of-/);
    }
    // Nor does a call get past it: nothing is sent anywhere.
    const { bot, proxyToken } = await atWork(1);
    await put(ISSUER, "API_KEY", ofB);
    expect(await bot.call(proxyToken, "GET", "/proxy/api/things")).toMatchObject({ status: 503 });
  });

  it("N01 are told apart by the host alone that is configured, and by no other spelling of it", async () => {
    const { bot, proxyToken } = await atWork(1);
    const dpop = await bot.proofAtResource("GET", `${ISSUER}/proxy/api/things`, proxyToken);
    const asked = (host: string) =>
      exports.default.fetch(`${ISSUER}/oauth/jwks`, { headers: { host, authorization: `DPoP ${proxyToken}`, dpop } });
    for (const host of ["a.test", "A.TEST", "a.test:443"]) expect((await asked(host)).status, host).toBe(200);
    const kids = async (host: string) => (await (await asked(host)).text()).match(/key_[\w-]+/g);
    expect(await kids("a.test")).not.toEqual(await kids("b.test"));
    for (const host of [
      "a.test.",
      "a.test:444",
      "a.test:80",
      "a.test, b.test",
      "b.test@a.test",
      "a.test#b.test",
      "a.test/b.test",
      "xa.test",
      "x.a.test",
      "\uff41.test",
      "[a.test]",
      "0",
      " ",
    ])
      expect((await asked(encodeURI(host))).status, host).toBe(404);
  });

  it("N10 answers 404 to everything for a tenant that is no longer served, and its tokens are dead", async () => {
    const [here, there] = [await atWork(1), await atWork(1, OTHER)];
    const alone = { ...env, STINT_ORIGINS: ISSUER } as Env;
    answerWith(async (request) => app.fetch(request, alone, createExecutionContext()));
    for (const path of [
      "/",
      "/oauth/jwks",
      "/.well-known/oauth-authorization-server",
      "/approve",
      `/sessions/${there.opened.session_id}`,
    ])
      expect((await fetch(OTHER + path)).status, path).toBe(404);
    for (const path of ["/admin/tenant", "/admin/sessions", "/admin/audit"])
      expect((await admin("GET", path, undefined, OTHER)).status).toBe(404);
    expect((await there.bot.exchange(there.sessionToken, `${OTHER}/proxy/api`)).status).toBe(404);
    expect((await there.bot.call(there.proxyToken, "GET", "/proxy/api/things")).status).toBe(404);
    expect((await there.bot.ask(ASK)).status).toBe(404);
    // Nor are they good at the tenant that is left.
    const strayed = await movedTo(ISSUER, there.bot);
    expect((await strayed.call(there.proxyToken, "GET", "/proxy/api/things")).status).toBe(401);
    expect((await strayed.introspect(there.sessionToken)).body).toEqual({ active: false });
    expect((await here.bot.exchange(here.sessionToken, PROXY)).status).toBe(200);
  });
});
