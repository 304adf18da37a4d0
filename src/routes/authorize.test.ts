import { exports } from "cloudflare:workers";
import { reset } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { applyDocument } from "../../test/workerd/world.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import { forgetTenant } from "../tenancy.ts";

const ISSUER = "https://a.test";
const START = 1_800_000_000;
const CALLBACK = "https://app.example/callback";

const document = {
  issuer: ISSUER,
  agents: [
    {
      client_id: "app",
      name: "App",
      owner: "sam",
      token_endpoint_auth_method: "none",
      redirect_uris: [CALLBACK],
      jwks: { keys: [] },
    },
  ],
  people: [
    { id: "dana", name: "Dana", roles: ["approver"] },
    { id: "sam", name: "Sam" },
  ],
  upstreams: [
    {
      id: "api",
      connector: "api_key",
      base_url: "https://api.acme.com",
      api_key: { secret: "API_KEY" },
      catalogue: { operations: { read: { access: "read", title: "Read", routes: ["GET /things"] } } },
    },
  ],
  policies: [
    { id: "p", agents: ["app"], allow: ["api:read"], max_duration: "1h", approvers: ["dana"], assurance: "link" },
  ],
};

const query = new URLSearchParams({
  response_type: "code",
  client_id: "app",
  redirect_uri: CALLBACK,
  scope: "api:read",
  state: "a-state",
  code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  code_challenge_method: "S256",
  resource: `${ISSUER}/proxy/api`,
}).toString();

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: START * 1000 });
  await applyDocument(document);
});
afterEach(async () => {
  vi.useRealTimers();
  forgetTenant(ISSUER);
  await reset();
});

function post(path: string, fields: Record<string, string>, cookie = "", accept = "text/html"): Promise<Response> {
  return exports.default.fetch(ISSUER + path, {
    method: "POST",
    redirect: "manual",
    headers: { host: "a.test", "content-type": "application/x-www-form-urlencoded", origin: ISSUER, cookie, accept },
    body: new URLSearchParams(fields),
  });
}

/** Begins as somebody; answers how the waiting page goes on. */
async function begin(person: string) {
  const begun = await post("/oauth/authorize", { query, person });
  const cookie = begun.headers.get("set-cookie")?.split(";", 1)[0] ?? "";
  const fields = Object.fromEntries(
    [...(await begun.text()).matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
      ([, name, value]) => [name ?? "", value ?? ""],
    ),
  );
  return {
    look: async () => (await post("/oauth/authorize/continue", fields, cookie, "application/json")).json(),
    press: async () => {
      const { status, headers } = await post("/oauth/authorize/continue", fields, cookie);
      return [status, headers.get("location")];
    },
  };
}

describe("a browser that waits in somebody's name", () => {
  it.each(["dana", "sam", "nobody"])("Q02 learns from no end of its wait whether %s may decide", async (person) => {
    const browser = await begin(person);
    expect([await browser.look(), await browser.press()]).toEqual([{ decided: false }, [200, null]]);
    vi.setSystemTime((START + REQUEST_LIFETIME_SECONDS) * 1000);
    expect(await browser.look()).toEqual({ decided: true });
    const [status, location] = await browser.press();
    expect([status, Object.fromEntries(new URL(String(location)).searchParams)]).toEqual([
      303,
      {
        error: "access_denied",
        error_description: "nobody decided in time, or the session has ended",
        state: "a-state",
        iss: ISSUER,
      },
    ]);
  });
});
