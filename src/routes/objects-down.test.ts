import { env } from "cloudflare:workers";
import { createExecutionContext, reset } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { applyDocument } from "../../test/workerd/world.ts";
import { app } from "../app.ts";
import { adminToken } from "../crypto/admin-token.ts";
import { signToken } from "../crypto/signing-key.ts";
import { requireConfig } from "../config.ts";
import { forgetTenant, loadTenant, signingKey } from "../tenancy.ts";

const ISSUER = "https://a.test";
const START = 1_800_000_000;
const SECRET_MESSAGE = "the disk of object 7 broke";

const person = (id: string) => ({ id, name: id, roles: ["approver"], groups: [] });

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
  const document = { issuer: ISSUER, people: [person("dana"), person("sam")] };
  await applyDocument(document);
});
afterEach(async () => {
  vi.useRealTimers();
  forgetTenant(ISSUER);
  await reset();
});

type Binding = "SESSION" | "PERSON" | "TENANT" | "LEDGER";

/** The deployment, one kind of object of which answers nothing but this fault. */
function without(binding: Binding, fault: object) {
  const asked: string[] = [];
  const stub = new Proxy(
    {},
    {
      get: (_, method) => () => {
        asked.push(String(method));
        return Promise.reject(Object.assign(new Error(SECRET_MESSAGE), fault));
      },
    },
  );
  return { asked, env: { ...env, [binding]: { getByName: () => stub } } as Env };
}

async function post(to: Env, path: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
  const request = new Request(ISSUER + path, {
    method: "POST",
    headers: { host: "a.test", "content-type": "application/x-www-form-urlencoded", origin: ISSUER, ...headers },
    body: new URLSearchParams(fields),
  });
  return answerOf(await app.fetch(request, to, createExecutionContext()));
}

async function get(to: Env, path: string, headers: Record<string, string> = {}) {
  const request = new Request(ISSUER + path, { headers: { host: "a.test", ...headers } });
  return answerOf(await app.fetch(request, to, createExecutionContext()));
}

async function answerOf(response: Response) {
  return { status: response.status, retryAfter: response.headers.get("retry-after"), text: await response.text() };
}

async function link(): Promise<string> {
  return signToken(signingKey(await loadTenant(env, ISSUER), "approval_link"), {
    iss: ISSUER,
    aud: `${ISSUER}/approve`,
    sub: "dana",
    sid: "ses_BBBBBBBBBBBBBBBBBBBBBB",
    request_digest: "x",
    iat: START,
    exp: START + 600,
    jti: "lnk_x",
  });
}

const FAULTS: [string, object][] = [
  ["is overloaded", { overloaded: true }],
  ["was reset", { retryable: true, durableObjectReset: true }],
  ["broke", {}],
];

describe.each(FAULTS)("FG an object that %s denies, once, and says nothing of why", (_, fault) => {
  const denied = (answer: Awaited<ReturnType<typeof get>>): void => {
    expect([answer.status, answer.retryAfter]).toEqual([503, "2"]);
    expect(JSON.parse(answer.text)).toMatchObject({ error: "temporarily_unavailable" });
    expect(answer.text).not.toContain(SECRET_MESSAGE);
  };

  it("a session, to its approver", async () => {
    for (const path of ["/approve/view", "/approve/decide", "/approve/watch"]) {
      const down = without("SESSION", fault);
      denied(await post(down.env, path, { token: await link(), decision: "approve" }));
      expect(down.asked).toHaveLength(1);
    }
  });

  it("a person, to whoever says that they are signed in", async () => {
    const cookie = `__Host-stint_person=sin_${"A".repeat(22)}.dana`;
    for (const path of ["/inbox/view", "/inbox/away/begin", "/accounts/view"]) {
      const down = without("PERSON", fault);
      denied(await post(down.env, path, {}, { cookie }));
      expect(down.asked).toEqual(["signedIn"]);
    }
  });

  it("the ledger, to an auditor, and to nobody else", async () => {
    const down = without("LEDGER", fault);
    const authorization = `Bearer ${adminToken(requireConfig(env).adminKey, ISSUER)}`;
    denied(await get(down.env, "/admin/audit", { authorization }));
    expect((await get(down.env, "/admin/sessions", { authorization })).status).toBe(200);
  });

  it("FU the tenant, once what this isolate knows of it is five seconds old", async () => {
    const down = without("TENANT", fault);
    expect((await get(env, "/oauth/jwks")).status).toBe(200);
    vi.setSystemTime(START * 1000 + 4999);
    expect((await get(down.env, "/oauth/jwks")).status).toBe(200);
    expect(down.asked).toEqual([]);
    vi.setSystemTime(START * 1000 + 5000);
    for (const path of ["/oauth/jwks", "/inbox", "/.well-known/oauth-authorization-server"])
      denied(await get(down.env, path));
    denied(await post(down.env, "/oauth/token", { grant_type: "refresh_token" }));
    expect((await get(env, "/oauth/jwks")).status).toBe(200);
  });
});
