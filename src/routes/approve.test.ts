import { env, exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyDocument } from "../../test/workerd/world.ts";
import { digestOf } from "../crypto/hash.ts";
import { signToken } from "../crypto/signing-key.ts";
import type { SessionRequest } from "../domain/request.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import { loadTenant, signingKey } from "../tenancy.ts";
import { at, forgetAll, ISSUER, openSession, START, stopClock } from "../../test/workerd/session-object.ts";

const SESSION_ID = "ses_BBBBBBBBBBBBBBBBBBBBBB";

const document = {
  issuer: ISSUER,
  agents: [{ client_id: "bot", name: "Bot", owner: "sam", jwks: { keys: [] } }],
  people: [
    { id: "dana", name: "Dana", roles: ["approver"], groups: [] },
    { id: "sam", name: "Sam", roles: [], groups: [] },
  ],
  upstreams: [],
  servers: [],
  policies: [
    {
      id: "p",
      agents: ["bot"],
      allow: ["api:read"],
      max_duration: "1h",
      approvers: ["dana"],
      assurance: "link",
      solo: false,
    },
  ],
  notify: {},
};

let request: SessionRequest;

beforeEach(async () => {
  stopClock();
  await applyDocument(document);
  request = await openSession(SESSION_ID);
});
afterEach(forgetAll);

async function link(changes: Record<string, unknown> = {}): Promise<string> {
  return signToken(signingKey(await loadTenant(env, ISSUER), "approval_link"), {
    iss: ISSUER,
    aud: `${ISSUER}/approve`,
    sub: "dana",
    sid: SESSION_ID,
    request_digest: digestOf(request),
    iat: START,
    exp: START + REQUEST_LIFETIME_SECONDS,
    jti: "lnk_x",
    ...changes,
  });
}

async function view(token: string): Promise<{ status: number; html: string }> {
  const response = await exports.default.fetch(`${ISSUER}/approve/view`, {
    method: "POST",
    headers: { host: "a.test", "content-type": "application/x-www-form-urlencoded", origin: ISSUER },
    body: new URLSearchParams({ token }),
  });
  return { status: response.status, html: await response.text() };
}

describe("time and the link (A08, A19)", () => {
  it("shows the request until the second at which it expires, and then says so", async () => {
    const token = await link();
    expect(await view(token)).toMatchObject({ status: 200 });
    at(REQUEST_LIFETIME_SECONDS - 1);
    expect((await view(token)).status).toBe(200);
    at(REQUEST_LIFETIME_SECONDS);
    const late = await view(token);
    expect(late.status).toBe(410);
    expect(late.html).toContain("This request has expired");
  });

  it.each<[string, Record<string, unknown>, number]>([
    ["somebody who is no approver", { sub: "sam" }, 404],
    ["another request", { request_digest: "other" }, 404],
    ["another page", { aud: `${ISSUER}/admin` }, 404],
    ["another issuer", { iss: "https://b.test" }, 404],
    ["a session that is not there", { sid: "ses_CCCCCCCCCCCCCCCCCCCCCC" }, 404],
    ["a session id of another shape", { sid: "../x" }, 404],
    ["no end", { exp: undefined }, 404],
    ["a person that is a list", { sub: ["dana"] }, 404],
  ])("A10 refuses a link for %s", async (_, changes, status) => {
    expect((await view(await link(changes))).status).toBe(status);
  });

  it("is for TLS alone from then on, where the tenant is", async () => {
    const { headers } = await exports.default.fetch(`${ISSUER}/approve`, { headers: { host: "a.test" } });
    expect(headers.get("strict-transport-security")).toBe("max-age=31536000");
  });

  it("refuses an approver whom the policy no longer names", async () => {
    const token = await link();
    await applyDocument({ ...document, policies: [] });
    expect((await view(token)).status).toBe(403);
  });
});
