import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newProofKey, thumbprint } from "../cli/agent-client.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { startOAuthWorld, type OAuthWorld } from "./support/oauth-world.ts";
import {
  authenticated,
  backchannelRequest,
  nextWebApp,
  plainForm,
  webApp,
  type Fields,
} from "./support/oauth-requests.ts";

let world: OAuthWorld;
beforeAll(async () => {
  world = await startOAuthWorld();
});
afterAll(() => world?.close());
beforeEach(nextWebApp);

const DOOR = "/oauth/backchannel";
const ask = async (changes: Fields = {}) => authenticated(await webApp(world), DOOR, backchannelRequest(changes));
const sessionOf = (handle: unknown): string => `ses_${String(handle).slice(4, 26)}`;

describe("the backchannel request (CIBA Core §7)", () => {
  it("opens the same session as POST /sessions, and asks the person it names alone", async () => {
    const { status, body } = await ask();
    expect([status, Object.keys(body).toSorted()]).toEqual([
      200,
      ["auth_req_id", "expires_in", "interval", "match_code"],
    ]);
    const { body: session } = await world.broker.admin("GET", `/admin/sessions/${sessionOf(body["auth_req_id"])}`);
    expect(session).toMatchObject({
      status: "pending",
      plan: { approvers: ["dana@acme.example"] },
      request: { task: { title: "A task" }, expires_in: 1800 },
    });
  });

  it("takes authorization_details in place of scope, and openid for nothing", async () => {
    const authorization_details = JSON.stringify([
      { type: "upstream_access", upstream: "github", actions: ["issues:read"], locations: ["acme/api"] },
    ]);
    for (const scope of [undefined, "openid"]) expect((await ask({ scope, authorization_details })).status).toBe(200);
  });

  it.each<[string, Fields, string]>([
    ["Q01 no hint", { login_hint: undefined }, "invalid_request"],
    ["Q01 two hints", { id_token_hint: "x" }, "invalid_request"],
    ["Q01 three hints", { id_token_hint: "x", login_hint_token: "y" }, "invalid_request"],
    ["Q01 a hint that is a token", { login_hint: undefined, login_hint_token: "x" }, "invalid_request"],
    ["Q01 a hint that is an ID token", { login_hint: undefined, id_token_hint: "x" }, "invalid_request"],
    ["Q02 a hint of nobody", { login_hint: "nobody@acme.example" }, "unknown_user_id"],
    ["Q02 a hint of the agent's owner", { login_hint: "sam@acme.example" }, "unknown_user_id"],
    ["a hint in other letters", { login_hint: "DANA@acme.example" }, "unknown_user_id"],
    ["a hint of 3 KB", { login_hint: "x".repeat(3000) }, "invalid_request"],
    ["no access at all", { scope: undefined }, "invalid_request"],
    ["openid and nothing else", { scope: "openid" }, "invalid_request"],
    ["T09 offline_access", { scope: "openid offline_access" }, "invalid_scope"],
    ["an unknown scope", { scope: "openid profile" }, "invalid_scope"],
    ["scope and authorization_details", { authorization_details: "[]" }, "invalid_request"],
    [
      "Q04 a thousand entries",
      { scope: undefined, authorization_details: `[${Array.from({ length: 1000 }, () => "{}").join(",")}]` },
      "invalid_authorization_details",
    ],
    [
      "Q04 more lines than a human reads",
      {
        scope: undefined,
        authorization_details: JSON.stringify([
          {
            type: "upstream_access",
            upstream: "github",
            actions: ["issues:read", "issues:write", "contents:read", "pulls:read", "repository:read"],
            locations: Array.from({ length: 50 }, (_, at) => `acme/r${at}`),
          },
        ]),
      },
      "invalid_authorization_details",
    ],
    [
      "an unknown member",
      {
        scope: undefined,
        authorization_details: '[{"type":"mcp_tools","server":"tickets","actions":["open_issue"],"x":1}]',
      },
      "invalid_authorization_details",
    ],
    ["access that no policy allows", { scope: "github:issues:read@other/api" }, "access_denied"],
    ["Q09 requested_expiry 0", { requested_expiry: "0" }, "invalid_request"],
    ["Q09 requested_expiry -1", { requested_expiry: "-1" }, "invalid_request"],
    ["Q09 requested_expiry 1000000000", { requested_expiry: "1000000000" }, "invalid_request"],
    ["Q09 requested_expiry abc", { requested_expiry: "abc" }, "invalid_request"],
    ["Q09 requested_expiry 60.5", { requested_expiry: "60.5" }, "invalid_request"],
    ["Q09 requested_expiry above the policy's", { requested_expiry: "1801" }, "invalid_request"],
    ["a binding_message of 121 characters", { binding_message: "x".repeat(121) }, "invalid_binding_message"],
    ["a binding_message with a line break", { binding_message: "a\nb" }, "invalid_binding_message"],
    ["a binding_message that runs backwards", { binding_message: "a\u202Eb" }, "invalid_binding_message"],
    ["a binding_message with an invisible character", { binding_message: "a\u200Bb" }, "invalid_binding_message"],
    ["a request_uri", { request_uri: "urn:ietf:params:oauth:request_uri:x" }, "invalid_request"],
    ["a dpop_jkt that is no thumbprint", { dpop_jkt: "x" }, "invalid_request"],
    ["Q26 acr_values of 10 KB", { acr_values: "x".repeat(10_000) }, "invalid_request"],
  ])("refuses %s", async (_, changes, error) => {
    const { status, body } = await ask(changes);
    expect([status, body["error"]]).toEqual([error === "access_denied" ? 403 : 400, error]);
    expect(body).not.toHaveProperty("auth_req_id");
  });

  it("Q02 answers for nobody as for somebody who may not decide", async () => {
    const bodies = await Promise.all(
      ["nobody@acme.example", "sam@acme.example"].map(async (login_hint) => (await ask({ login_hint })).body),
    );
    expect(bodies[0]).toEqual(bodies[1]);
  });

  it.each<[string, Fields, Record<string, string>, number]>([
    ["C01 no authentication", {}, {}, 401],
    ["C01 a client_id alone", { client_id: "web-app" }, {}, 401],
    ["C01 a public client", { client_id: "native-app" }, {}, 401],
    ["C02 Basic authentication", {}, { authorization: "Basic eDp5" }, 400],
    ["Q16 a JSON body", {}, { "content-type": "application/json" }, 415],
    ["B15 an encoded body", {}, { "content-encoding": "gzip" }, 415],
  ])("refuses %s", async (_, changes, headers, status) => {
    expect((await plainForm(world.issuer + DOOR, backchannelRequest(changes), headers)).status).toBe(status);
  });

  it("refuses GET, and parameters in the URL", async () => {
    expect((await fetch(world.issuer + DOOR)).status).toBe(405);
    expect((await plainForm(`${world.issuer}${DOOR}?scope=x`, {})).status).toBe(400);
  });

  it("is not for servers", async () => {
    const answer = await authenticated(await world.server(), DOOR, backchannelRequest());
    expect(answer).toMatchObject({ status: 400, body: { error: "unauthorized_client" } });
  });

  it("binds the session to the key of its proof, or to the one that dpop_jkt names, and to no third", async () => {
    const client = await webApp(world);
    const withProof = await authenticated(client, DOOR, backchannelRequest());
    const named = await plainForm(world.issuer + DOOR, {
      ...backchannelRequest({ binding_message: "named" }),
      dpop_jkt: await thumbprint(client.proofKey),
      ...(await client.assertion()),
    });
    const both = await authenticated(
      client,
      DOOR,
      backchannelRequest({ dpop_jkt: await thumbprint(await newProofKey()) }),
    );
    expect(both).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    const other = await webApp(world);
    for (const { body } of [withProof, named])
      expect((await other.poll(String(body["auth_req_id"]))).body).toMatchObject({ error: "invalid_dpop_proof" });
  });

  it("binds a session whose key was not named to the one that its client proves when it fetches the token", async () => {
    const client = await webApp(world);
    const { body } = await plainForm(world.issuer + DOOR, { ...backchannelRequest(), ...(await client.assertion()) });
    const approver = await Approver.bySlack(world, "dana", sessionOf(body["auth_req_id"]));
    const { html } = await approver.view();
    expect(html).toContain("the one that the client proves when it fetches the token");
    await approver.review();
    await approver.decide("approve");
    const { access_token } = (await client.poll(String(body["auth_req_id"]))).body;
    expect(claimsOf(String(access_token))).toMatchObject({ cnf: { jkt: await thumbprint(client.proofKey) } });
  });

  it("D01 yields no token without a proof", async () => {
    const client = await webApp(world);
    const { body } = await authenticated(client, DOOR, backchannelRequest());
    const answer = await plainForm(`${world.issuer}/oauth/token`, {
      grant_type: "urn:openid:params:grant-type:ciba",
      auth_req_id: String(body["auth_req_id"]),
      ...(await client.assertion()),
    });
    expect(answer).toMatchObject({ status: 400, body: { error: "invalid_dpop_proof" } });
  });

  it("C12 keeps its handle from other clients, and a handle from being a code", async () => {
    const { body } = await ask();
    const other = await world.agent();
    expect((await other.poll(String(body["auth_req_id"]))).body).toMatchObject({ error: "invalid_grant" });
    const asCode = await authenticated(await webApp(world), "/oauth/token", {
      grant_type: "authorization_code",
      code: String(body["auth_req_id"]),
      redirect_uri: "https://app.example/callback",
      code_verifier: "v".repeat(43),
    });
    expect(asCode.body).toMatchObject({ error: "invalid_grant" });
  });

  it("Q18 Q20 holds the same caps as POST /sessions", async () => {
    const statuses: number[] = [];
    for (let at = 0; at < 7; at += 1) statuses.push((await ask({ binding_message: `task ${at}` })).status);
    expect(statuses.slice(0, 5)).toEqual([200, 200, 200, 200, 200]);
    expect(statuses.slice(5)).toEqual([429, 429]);
  });

  it("Q28 asks a human once for the same open request", async () => {
    const client = await webApp(world);
    const first = await authenticated(client, DOOR, backchannelRequest());
    const second = await authenticated(client, DOOR, backchannelRequest());
    expect(second.body["auth_req_id"]).toBe(first.body["auth_req_id"]);
  });
});
