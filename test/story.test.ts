import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startWorld, type World } from "../demo/world.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world?.close());

const ASK = {
  task: { title: "Triage the open issues" },
  authorization_details: [
    {
      type: "upstream_access",
      upstream: "github",
      actions: ["issues:read", "issues:write"],
      locations: ["acme/api", "acme/web"],
    },
    { type: "mcp_tools", server: "tickets", actions: ["open_issue"] },
  ],
  expires_in: 900,
};

describe("one approved task, end to end", () => {
  it("is asked for, narrowed, approved, used, not prolonged, and ended with a receipt", async () => {
    const { issuer, emulators } = world;
    const agent = await world.agent();
    const asked = await agent.ask(ASK);
    expect(asked).toMatchObject({
      status: 202,
      body: { session_id: expect.stringMatching(/^ses_/), auth_req_id: expect.stringMatching(/^req_/), interval: 2 },
    });
    const { session_id, auth_req_id, match_code } = asked.body;
    expect(JSON.stringify(asked.body)).not.toContain("approve#");
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "slow_down" });

    const dana = await Approver.bySlack(world, "dana", session_id);
    const mail = await until("the mail", async () =>
      (await emulators.mails()).find(({ to, text }) => to.includes("dana@acme.example") && text.includes(match_code)),
    );
    expect(mail.text).toContain("/approve#");
    const view = await dana.view();
    expect(view.status).toBe(200);
    for (const fact of ["Triage bot (triage-bot)", match_code, "acme/web"]) expect(view.html).toContain(fact);
    await dana.review((unit) => !unit.endsWith("acme/web"), 300);
    const decided = await dana.decide("approve");
    expect(decided.html).toContain("Approved");
    expect((await (await Approver.bySlack(world, "dana", session_id)).view()).status).toBe(409);

    const redeemed = await agent.poll(auth_req_id);
    expect(redeemed).toMatchObject({ status: 200, body: { token_type: "DPoP" } });
    const sessionToken = String(redeemed.body["access_token"]);
    expect(claimsOf(sessionToken)).toMatchObject({ aud: issuer, client_id: "triage-bot", sid: session_id });
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "invalid_grant" });

    const forProxy = await agent.exchange(sessionToken, `${issuer}/proxy/github`);
    expect(forProxy).toMatchObject({
      status: 200,
      body: { issued_token_type: "urn:ietf:params:oauth:token-type:access_token" },
    });
    const proxyToken = String(forProxy.body["access_token"]);
    expect(await agent.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues?state=open")).toMatchObject({
      status: 200,
    });
    expect(await agent.call(proxyToken, "GET", "/proxy/github/repos/acme/web/issues")).toMatchObject({
      status: 403,
      body: { error: "access_denied", reason: "not_granted" },
    });

    const forServer = await agent.exchange(sessionToken, "http://localhost:9/mcp");
    expect(forServer.status).toBe(200);
    const server = await world.server();
    const onward = await server.exchange(String(forServer.body["access_token"]), `${issuer}/proxy/github`, {}, true);
    expect(onward.status).toBe(200);
    const onwardToken = String(onward.body["access_token"]);
    expect(claimsOf(onwardToken)).toMatchObject({ act: { sub: "tickets" }, client_id: "tickets", sub: "triage-bot" });
    expect(
      await server.call(onwardToken, "POST", "/proxy/github/repos/acme/api/issues", { title: "Opened by Stint" }),
    ).toMatchObject({ status: 201 });
    expect((await emulators.issues("acme/api")).map(({ title }) => title)).toContain("Opened by Stint");

    const thief = await world.agent();
    expect(await thief.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues")).toMatchObject({
      status: 401,
      body: { error: "invalid_dpop_proof" },
    });
    expect(await agent.token(async () => ({ grant_type: "refresh_token", refresh_token: sessionToken }))).toMatchObject(
      { status: 400, body: { error: "unsupported_grant_type" } },
    );

    const ended = await agent.call(sessionToken, "POST", `/sessions/${session_id}/end`);
    expect(ended).toMatchObject({ status: 200, body: { status: "ended", outcome: "completed" } });
    expect(claimsOf(String(ended.body["receipt"]))).toMatchObject({
      outcome: "completed",
      leases: [{ upstream: "github", fate: { fate: "revoked" } }],
    });
    expect(await agent.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues")).toMatchObject({
      status: 401,
      body: { error: "invalid_token" },
    });
    expect(await agent.exchange(sessionToken, `${issuer}/proxy/github`)).toMatchObject({
      status: 400,
      body: { error: "invalid_request" },
    });
  });
});
