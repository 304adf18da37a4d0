import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ASK, atWork, beginWorld, endWorld, ISSUER, lines, sent, type AtWork } from "./world.ts";

beforeEach(() => beginWorld());
afterEach(endWorld);

/** Texts that some reader somewhere took for something else. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "",
    " ",
    "\0",
    "\r\n",
    "null",
    "undefined",
    "NaN",
    "-0",
    "1e400",
    "[]",
    "{}",
    "__proto__",
    "constructor",
    "toString",
    "\ud800",
    "\u202e",
    "%00",
    "%",
    "../",
    "a".repeat(9000),
    "é".repeat(3000),
    "eyJhbGciOiJub25lIn0.e30.",
    "e30.e30.e30",
    "....",
    "ses_AAAAAAAAAAAAAAAAAAAAAA",
  ),
);
const json = fc.oneof(
  text,
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(1e308, -1, 0.5, 2 ** 53, [], {}, [[]], null, true),
);
const NAMES = [
  "grant_type",
  "subject_token",
  "subject_token_type",
  "resource",
  "audience",
  "scope",
  "authorization_details",
  "auth_req_id",
  "code",
  "code_verifier",
  "redirect_uri",
  "client_id",
  "client_assertion",
  "client_assertion_type",
  "token",
  "token_type_hint",
  "request",
  "request_uri",
  "login_hint",
  "requested_expiry",
  "expires_in",
  "actor_token",
  "state",
  "dpop_jkt",
  "csrf",
  "digest",
  "decision",
  "grant",
  "unit.0",
  "credential",
  "nonce",
  "purpose",
];
const form = fc.array(
  fc.tuple(
    fc.oneof(fc.constantFrom(...NAMES), text),
    fc.oneof(
      text,
      json.map((value) => JSON.stringify(value) ?? ""),
    ),
  ),
  { maxLength: 8 },
);
const FORMS = [
  "/oauth/token",
  "/oauth/introspect",
  "/oauth/revoke",
  "/oauth/par",
  "/oauth/backchannel",
  "/approve/view",
  "/approve/review",
  "/approve/decide",
  "/approve/challenge",
  "/approve/watch",
  "/approve/end",
  "/enrol/view",
  "/enrol/finish",
  "/sign-in/sso",
  "/sign-in/finish",
  "/sign-in/passkey",
  "/inbox/view",
  "/inbox/open",
  "/accounts/link",
  "/accounts/finish",
  "/oauth/authorize",
];
const GRANTS = [
  "urn:openid:params:grant-type:ciba",
  "urn:ietf:params:oauth:grant-type:token-exchange",
  "authorization_code",
  "urn:ietf:params:oauth:grant-type:jwt-bearer",
];

/** A standard refusal, with nothing in it that somebody did not foresee. */
function expectRefusal(answer: { status: number }, about: string): void {
  expect([about, answer.status >= 200 && answer.status < 500]).toEqual([about, true]);
}

describe("whatever is sent", () => {
  it("B02 I13 is a form that is answered by a standard refusal: nothing fails unforeseen, nothing leaves", async () => {
    const { sessionToken } = await atWork(1);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...FORMS),
        form,
        fc.option(fc.constantFrom(...GRANTS)),
        fc.dictionary(
          fc.constantFrom("dpop", "authorization", "cookie", "idempotency-key"),
          text.map((value) => value.replaceAll(/[^\x20-\x7e]/g, "x").slice(0, 200)),
        ),
        async (path, fields, grant, headers) => {
          const body = new URLSearchParams(
            fields.map(([name, value]): [string, string] => [name, value.replaceAll("@token", sessionToken)]),
          );
          if (grant !== null) body.set("grant_type", grant);
          const answer = await fetch(ISSUER + path, {
            method: "POST",
            headers: { origin: ISSUER, "content-type": "application/x-www-form-urlencoded", ...headers },
            body: body.toString(),
            redirect: "manual",
          });
          expectRefusal(answer, path);
        },
      ),
      { numRuns: 400 },
    );
    expect(lines.filter((line) => line.includes("request.failed"))).toEqual([]);
    expect(sent).toEqual([]);
  });

  it("B02 I13 is JSON by a client that proves itself, and is answered by a standard refusal", async () => {
    const work = await atWork(1);
    const member = fc.oneof(
      fc.constantFrom("task", "authorization_details", "expires_in", "user", "client_id", "__proto__", "scope"),
      text,
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(member, json, { maxKeys: 5 }), async (changes) => {
        expectRefusal(await work.bot.ask({ ...ASK, ...(changes as object) }), JSON.stringify(changes));
      }),
      { numRuns: 150 },
    );
    const detail = fc.record(
      {
        type: fc.constantFrom("upstream_access", "mcp_tools", "x"),
        upstream: json,
        actions: json,
        locations: json,
        limits: json,
        server: json,
      },
      { requiredKeys: ["type"] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(detail, { maxLength: 3 }), async (authorization_details) => {
        expectRefusal(
          await work.bot.ask({ ...ASK, authorization_details } as never),
          JSON.stringify(authorization_details),
        );
        expectRefusal(
          await work.bot.exchange(work.sessionToken, `${ISSUER}/proxy/api`, {
            authorization_details: JSON.stringify(authorization_details),
          }),
          "exchange",
        );
      }),
      { numRuns: 60 },
    );
    expect(lines.filter((line) => line.includes("request.failed"))).toEqual([]);
  });

  it("B02 P06 is a path under the proxy, a session or the operator's door, and is answered by a standard refusal", async () => {
    const work: AtWork = await atWork(1);
    const part = text.map((value) => encodeURIComponent(value.toWellFormed()).slice(0, 500));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          "/proxy/api/",
          "/proxy/",
          "/sessions/",
          "/mcp/",
          "/admin/sessions/",
          "/.well-known/oauth-protected-resource/",
          "/",
        ),
        fc.array(part, { maxLength: 3 }),
        fc.constantFrom("GET", "POST", "PUT", "DELETE"),
        async (prefix, parts, method) => {
          const path = prefix + parts.join("/");
          if (path.length > 8000) return;
          const { status } = await work.bot.call(work.proxyToken, method, path);
          // Nothing of this is the one route that was granted, whose answer is the upstream's.
          expect([path, status >= 300 && status < 500]).toEqual([path, true]);
        },
      ),
      { numRuns: 200 },
    );
    expect(lines.filter((line) => line.includes("request.failed"))).toEqual([]);
    expect(sent).toEqual([]);
  });
});
