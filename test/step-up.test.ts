import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { digestOf } from "../src/crypto/hash.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import type { SoftAuthenticator } from "./support/authenticator.ts";
import { signRaw } from "./support/forge.ts";
import { newClientKey } from "./support/oauth-world.ts";
import { enrolled } from "./support/invited.ts";
import {
  approvedSession,
  READ_API,
  startTestWorld,
  TOOLS,
  tokenOf,
  WRITE_API,
  type Approved,
  type TestWorld,
} from "./support/world.ts";

const READ_THINGS = { type: "upstream_access", upstream: "echo", actions: ["things:read"] };
const WRITE_THINGS = { type: "upstream_access", upstream: "echo", actions: ["things:write"] };

let world: TestWorld;
let dana: SoftAuthenticator;
beforeAll(async () => {
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      policies: (document["policies"] as object[]).map((policy) => ({
        ...policy,
        assurance: [{ level: "link" }, { level: "passkey", units: ["mcp:tickets:*"] }],
      })),
    }),
  });
  dana = await enrolled(world, "dana@acme.example");
});
afterAll(() => world?.close());

/** A session that may only read. */
const reading = () => approvedSession(world, { authorization_details: [READ_API, READ_THINGS] });
const askMore = ({ agent, sessionId, sessionToken }: Approved, changes: Record<string, unknown> = {}) =>
  agent.call(sessionToken, "POST", `/sessions/${sessionId}/grants`, {
    task: { title: "Write down what was found" },
    authorization_details: [WRITE_THINGS],
    ...changes,
  });
const look = async ({ agent, sessionId, sessionToken }: Approved) =>
  (await agent.call(sessionToken, "GET", `/sessions/${sessionId}`)).body as Record<string, never>;
const apply = (changes: object) => world.broker.admin("POST", "/admin/tenant", { ...world.document, ...changes });

/** Asks for more and opens Dana's link to it. */
async function asked(session: Approved, changes: Record<string, unknown> = {}) {
  const answer = await askMore(session, changes);
  if (answer.status !== 202) throw new Error(JSON.stringify(answer.body));
  const requestId = String((answer.body as Record<string, unknown>)["request_id"]);
  return { answer, requestId, approver: await Approver.bySlack(world, "dana", requestId) };
}
const whenStepUpIs = (session: Approved, status: string) =>
  until(`the step-up to be ${status}`, async () =>
    (await look(session))["step_up"]?.["status"] === status ? true : undefined,
  );
const write = async (session: Approved, token: string) =>
  (await session.agent.call(token, "POST", "/proxy/echo/things", {})).status;

describe("asking for more in a session that goes on", () => {
  it("is decided like a first request, shows what comes on top, and leaves the end, the key and old tokens as they were", async () => {
    const session = await reading();
    const before = await look(session);
    const oldToken = await session.proxyToken("echo");
    const { answer, approver, requestId } = await asked(session);
    expect(JSON.stringify(answer.body)).not.toContain("approve#");
    expect(answer.body).not.toHaveProperty("auth_req_id");

    const page = await approver.view();
    expect(page.html).toContain("asks for more");
    expect(page.html).toContain("On top of");
    expect(page.html).toContain("as before");
    expect(page.html).toContain('value="echo:things:write"');
    expect(page.html).not.toContain('value="echo:things:read"');
    await whenStepUpIs(session, "pending");
    expect(await write(session, await session.proxyToken("echo"))).toBe(403);

    await approver.review();
    expect((await approver.decide("approve")).html).toContain("Approved");
    await whenStepUpIs(session, "approved");
    const after = await look(session);
    expect(after["expires_at"]).toBe(before["expires_at"]);
    expect(after["grant_digest"]).not.toBe(before["grant_digest"]);
    expect(await write(session, await session.proxyToken("echo"))).toBe(200);
    // A token that was minted before carries what it carried.
    expect(await write(session, oldToken)).toBe(403);
    // The request's own object never becomes a session.
    expect((await world.broker.admin("GET", `/admin/sessions/${requestId}`)).body).toMatchObject({ status: "ended" });

    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session.sessionId}/receipt`);
      return status === 200 ? String(body["receipt"]) : undefined;
    });
    const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
    const verified = await verifyReceipt(receipt, jwks);
    const forger = await newClientKey("forger");
    const header = { alg: "ES256", typ: "stint-receipt+jwt", kid: "forger" };
    const forged = async (changes: object) => {
      const jws = await signRaw(header, { ...claimsOf(receipt), ...changes }, forger.privateJwk);
      return (await verifyReceipt(jws, { keys: [forger.publicJwk] })).ok;
    };
    const { earlier } = claimsOf(receipt) as { earlier: [{ grant: object; grant_digest: string; decision: object }] };
    const later = { ...earlier[0].grant, expires_at: Number(before["expires_at"]) - 1 };
    expect(await forged({})).toBe(true);
    expect(await forged({ earlier: undefined })).toBe(false);
    expect(await forged({ earlier: [...earlier, ...earlier] })).toBe(false);
    expect(await forged({ earlier: [{ ...earlier[0], decision: {} }] })).toBe(false);
    const digest = digestOf(later);
    const resigned = { grant: later, grant_digest: digest, decision: { ...earlier[0].decision, digest } };
    expect(await forged({ earlier: [resigned] })).toBe(false);

    expect(verified.ok && verified.findings.filter((line) => line.includes(" approved "))).toEqual([
      expect.stringContaining("approved exactly this grant"),
      expect.stringContaining("approved more for the session"),
    ]);
    const rows = await until("the audit rows", async () => {
      const mine = (await auditRows(world)).filter(({ source }) => source === session.sessionId);
      return mine.some(({ type }) => type === "session.ended") ? mine.map(({ type }) => type) : undefined;
    });
    expect(rows.filter((type) => type.startsWith("step_up"))).toEqual(["step_up.requested", "step_up.granted"]);
  });

  it("makes new credentials at the upstream for what is granted now", async () => {
    const session = await approvedSession(world, { authorization_details: [READ_API] });
    const issue = async () => {
      const token = await session.proxyToken();
      const answer = await session.agent.call(token, "POST", "/proxy/github/repos/acme/api/issues", { title: "x" });
      return answer.status;
    };
    const list = await session.agent.call(await session.proxyToken(), "GET", "/proxy/github/repos/acme/api/issues");
    expect(list.status).toBe(200);
    expect(await issue()).toBe(403);
    const { approver } = await asked(session, { authorization_details: [WRITE_API] });
    await approver.approve();
    await whenStepUpIs(session, "approved");
    expect(await issue()).toBe(201);
    expect((await look(session))["leases"]).toHaveLength(2);
  });

  it("leaves everything as it was when it is denied, which counts as a denial, and can be asked again", async () => {
    const session = await reading();
    const { approver } = await asked(session);
    await approver.deny();
    await whenStepUpIs(session, "denied");
    expect(await write(session, await session.proxyToken("echo"))).toBe(403);
    const { approver: again } = await asked(session, { task: { title: "Now with a better reason" } });
    await again.approve();
    await whenStepUpIs(session, "approved");
    expect(await write(session, await session.proxyToken("echo"))).toBe(200);
  });

  it("is taken back by its agent, and by no other", async () => {
    const [session, other] = [await reading(), await reading()];
    const { requestId, approver } = await asked(session);
    await approver.view();
    await approver.review();
    const withdraw = async ({ agent }: Approved) =>
      (
        await fetch(`${world.issuer}/sessions/${requestId}/end`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(await agent.assertion()),
        })
      ).status;
    expect(await withdraw(other)).toBe(404);
    expect(await withdraw(session)).toBe(200);
    await whenStepUpIs(session, "withdrawn");
    expect((await approver.decide("approve")).status).toBe(409);
    expect(await write(session, await session.proxyToken("echo"))).toBe(403);
  });

  it("serves a session that was asked for in OAuth's words, and is bound to the key that fetched its token", async () => {
    const agent = await world.freshAgent();
    const begun = await agent.form("/oauth/backchannel", async () => ({
      scope: "echo:things:read",
      login_hint: "dana@acme.example",
      ...(await agent.assertion()),
    }));
    const authReqId = String((begun.body as Record<string, unknown>)["auth_req_id"]);
    const sessionId = await until("the session", async () => {
      const { sessions } = (await world.broker.admin("GET", "/admin/sessions")).body as {
        sessions: { session_id: string; client_id: string }[];
      };
      return sessions.find(({ client_id }) => client_id === agent.clientId)?.session_id;
    });
    await (await Approver.bySlack(world, "dana", sessionId)).approve();
    const sessionToken = tokenOf(await agent.poll(authReqId));
    const proxyToken = async () => tokenOf(await agent.exchange(sessionToken, `${world.issuer}/proxy/echo`));
    const session = { agent, sessionId, authReqId, sessionToken, proxyToken, serverToken: proxyToken };
    const { approver } = await asked(session);
    await approver.approve();
    await whenStepUpIs(session, "approved");
    expect(await write(session, await proxyToken())).toBe(200);
  });

  it("is refused where the session would hold more than a human can take in", async () => {
    const session = await reading();
    const many = Array.from({ length: 19 }, (_, at) => ({ ...READ_API, locations: [`acme/repo-${at}`] }));
    expect(await askMore(session, { authorization_details: many })).toMatchObject({
      status: 400,
      body: { error: "invalid_authorization_details" },
    });
    expect(await look(session)).not.toHaveProperty("step_up");
  });

  it("A30 stops asking after three denials, and the session goes on", async () => {
    const session = await reading();
    for (let at = 0; at < 3; at += 1) {
      // The same again would be the same request until the agent's object knows that it was denied.
      const { approver } = await asked(session, { task: { title: `Try ${at}` } });
      await approver.deny();
      await whenStepUpIs(session, "denied");
    }
    await until("the suspension", async () =>
      (await auditRows(world)).find(
        ({ source, type }) => source === `agent:${session.agent.clientId}` && type === "agent.suspended",
      ),
    );
    expect((await askMore(session)).status).toBe(403);
    expect(tokenOf(await session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/echo`))).toBeTruthy();
  });

  it("never grants more time: no member names one, and none that the page is made to post", async () => {
    const session = await reading();
    expect((await askMore(session, { expires_in: 3600 })).status).toBe(400);
    const { approver } = await asked(session);
    await approver.view();
    const page = await approver.review(() => true, 3600);
    const grant = /name="grant" value="([^"]*)"/.exec(page.html)?.[1]?.replaceAll("&quot;", '"') ?? "";
    const end = Number(/"expires_at":(\d+)/.exec(grant)?.[1]);
    expect(end).toBe(Number((await look(session))["expires_at"]));
    for (const other of [end + 60, end - 60]) {
      const changed = grant.replace(`"expires_at":${end}`, `"expires_at":${other}`);
      expect((await approver.decide("approve", { grant: changed })).status).toBe(409);
    }
    expect((await approver.decide("approve")).status).toBe(200);
  });

  it("A15 grants nothing that was not asked for, and takes nothing away that was granted", async () => {
    const session = await reading();
    const { approver } = await asked(session);
    await approver.view();
    const page = await approver.review();
    const grant = JSON.parse((/name="grant" value="([^"]*)"/.exec(page.html)?.[1] ?? "").replaceAll("&quot;", '"')) as {
      authorization_details: object[];
    };
    const details = grant.authorization_details;
    for (const authorization_details of [[...details, WRITE_API], details.slice(1), details.slice(0, -1)]) {
      const changed = JSON.stringify({ ...grant, authorization_details });
      expect((await approver.decide("approve", { grant: changed })).status).toBe(409);
    }
    await approver.view();
    expect((await approver.review(() => false)).status).toBe(400);
  });

  it("is refused while another waits, and the same again is the same", async () => {
    const session = await reading();
    const first = await askMore(session);
    const again = await askMore(session);
    expect(again.body).toMatchObject({ request_id: (first.body as Record<string, unknown>)["request_id"] });
    const other = await askMore(session, { authorization_details: [WRITE_API] });
    expect(other).toMatchObject({ status: 409, body: { error: "invalid_request" } });
  });

  it("is refused for what the policy does not allow, for what it has, and after the session's end", async () => {
    const session = await reading();
    const secrets = { type: "upstream_access", upstream: "echo", actions: ["secrets:read"] };
    expect((await askMore(session, { authorization_details: [secrets] })).status).toBe(403);
    expect((await askMore(session, { authorization_details: [READ_API] })).status).toBe(400);
    expect((await askMore(session, { authorization_details: [] })).status).toBe(400);
    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    expect((await askMore(session)).status).toBe(401);
  });

  it("takes the session's own token and key, and no other's", async () => {
    const [session, other] = [await reading(), await reading()];
    const body = { authorization_details: [WRITE_THINGS] };
    const path = `/sessions/${session.sessionId}/grants`;
    expect((await other.agent.call(other.sessionToken, "POST", path, body)).status).toBe(404);
    expect((await other.agent.call(session.sessionToken, "POST", path, body)).status).toBe(401);
    expect((await session.agent.call(await session.proxyToken("echo"), "POST", path, body)).status).toBe(401);
    const bare = await fetch(world.issuer + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(bare.status).toBe(401);
    expect(await look(session)).not.toHaveProperty("step_up");
  });

  it("K18 asks for a passkey where what comes on top is worth one, and a signature for the one is none for the other", async () => {
    const session = await reading();
    const { approver } = await asked(session, { authorization_details: [TOOLS, WRITE_API] });
    await approver.view();
    await approver.review((unit) => unit.startsWith("mcp:"));
    expect((await approver.decide("approve")).status).toBe(403);
    const { nonce, challenge } = await approver.challenge();
    const credential = dana.get(challenge);
    await approver.view();
    await approver.review();
    expect((await approver.decide("approve", { nonce, credential })).status).toBe(403);
    expect((await approver.sign(dana)).html).toContain("Approved");
    await whenStepUpIs(session, "approved");
    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${session.sessionId}/receipt`);
      return status === 200 ? String(body["receipt"]) : undefined;
    });
    const jwks = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
    expect(JSON.stringify(await verifyReceipt(receipt, jwks))).toContain("by the passkey");
  });

  it("A17 fifty approvals at once grant it once", async () => {
    const session = await reading();
    const { approver } = await asked(session);
    await approver.view();
    await approver.review();
    const pages = await Promise.all(Array.from({ length: 50 }, () => approver.decide("approve")));
    expect(pages.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(pages.filter(({ status }) => status === 409)).toHaveLength(49);
    await whenStepUpIs(session, "approved");
    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    const granted = await until("the audit rows", async () => {
      const mine = (await auditRows(world)).filter(({ source }) => source === session.sessionId);
      return mine.some(({ type }) => type === "session.ended") ? mine : undefined;
    });
    expect(granted.filter(({ type }) => type === "step_up.granted")).toHaveLength(1);
  });

  it("A18 approved and ended at once: an ended session gets nothing, whoever was first", async () => {
    for (let at = 0; at < 5; at += 1) {
      const session = await reading();
      const { approver, requestId } = await asked(session);
      await approver.view();
      await approver.review();
      await Promise.all([
        approver.decide("approve"),
        world.broker.admin("POST", `/admin/sessions/${session.sessionId}/revoke`, {}),
      ]);
      expect((await session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/echo`)).status).toBe(400);
      await until("the end of the request", async () =>
        (await world.broker.admin("GET", `/admin/sessions/${requestId}`)).body["status"] === "ended" ? true : undefined,
      );
      expect((await world.broker.admin("GET", `/admin/sessions/${session.sessionId}`)).body["status"]).toBe("ended");
    }
  });

  it("ends the request with the session, and its link decides nothing more", async () => {
    const session = await reading();
    const { approver, requestId } = await asked(session);
    await approver.view();
    await approver.review();
    await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
    await until("the end of the request", async () =>
      (await world.broker.admin("GET", `/admin/sessions/${requestId}`)).body["status"] === "ended" ? true : undefined,
    );
    expect((await approver.decide("approve")).status).toBe(409);
  });

  it("ends all when any of those who approved is cut off", async () => {
    const { people, agents } = world.document as { people: object[]; agents: object[] };
    await apply({
      people: [...people, { id: "kim@acme.example", name: "Kim" }],
      agents: agents.map((one) => ({ ...one, owner: "kim@acme.example" })),
    });
    const session = await reading();
    const { requestId } = await asked(session);
    await (await Approver.bySlack(world, "sam", requestId)).approve();
    await whenStepUpIs(session, "approved");
    expect((await world.broker.admin("POST", "/admin/people/sam@acme.example/revoke", {})).status).toBe(200);
    expect((await session.agent.exchange(session.sessionToken, `${world.issuer}/proxy/echo`)).status).toBe(400);
    await apply({});
  });
});
