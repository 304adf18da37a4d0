import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf, linksIn } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { approvedSession, ask, READ_API, startTestWorld, tokenOf, WRITE_API, type TestWorld } from "./support/world.ts";

const TICKETS = { type: "mcp_tools", server: "tickets", actions: ["open_issue"] };
const DESK = { type: "mcp_tools", server: "desk", actions: ["print"] };
const LOCAL = "on a person's machine, where other programs may reach its key (local trust)";
const REMOTE = "as a service of its own (remote trust)";
const AT_HOST = "tickets: at localhost:9, proved by its key";
const AT_HOME = "desk: on the machine of the agent, where nobody checks what answers";

let world: TestWorld;
beforeAll(async () => {
  // Every agent may read, and of these two only the one that is a service may write.
  world = await startTestWorld({
    adjust: (document) => {
      const { agents, servers, policies } = document as {
        agents: { client_id: string }[];
        servers: object[];
        policies: object[];
      };
      const [tickets] = servers;
      const [policy] = policies;
      const desk = { id: "desk", resource: "http://localhost:9/desk", trust: "local" };
      const allow = ["github:issues:read@acme/*", "mcp:tickets:open_issue", "mcp:desk:print"];
      return {
        ...document,
        agents: agents.map((agent) => (agent.client_id === "other-bot" ? { ...agent, trust: "remote" } : agent)),
        servers: [tickets, { ...tickets, ...desk, tools: { print: { access: "read", operations: [] } } }],
        policies: [
          { ...policy, id: "everybody", allow },
          { ...policy, id: "services", trust: "remote", allow: [...allow, "github:issues:write@acme/*"] },
        ],
      };
    },
  });
});
afterAll(() => world?.close());

const apply = (document: object) => world.broker.admin("POST", "/admin/tenant", document);
const unescaped = (html: string) => html.replaceAll("&#39;", "'");

describe("where agents and tools run", () => {
  it("is told to the approver alike on the page, in Slack and in mail", async () => {
    for (const [agent, runs] of [
      [await world.otherAgent(), REMOTE],
      [await world.freshAgent(), LOCAL],
    ] as const) {
      const asked = await agent.ask(ask({ authorization_details: [TICKETS, DESK] }));
      const { session_id } = asked.body;
      const approver = await Approver.bySlack(world, "dana", session_id);
      const page = unescaped((await approver.view()).html);
      const review = unescaped((await approver.review()).html);
      for (const words of [runs, AT_HOST, AT_HOME]) expect(page).toContain(words);
      for (const words of [runs, AT_HOST, AT_HOME]) expect(review).toContain(words);
      expect(page).toContain("enforced by nobody but the program itself");
      const slackId = await world.emulators.slackId("dana");
      const message = (await world.emulators.directMessages(slackId)).find((text) => text.includes(approver.token));
      const mail = await until("the mail", async () =>
        (await world.emulators.mails()).find(({ text }) =>
          linksIn(text).some((link) => claimsOf(link)["sid"] === session_id),
        ),
      );
      for (const words of [runs, AT_HOST, AT_HOME]) {
        expect(message).toContain(words);
        expect(mail.text).toContain(words);
      }
      await approver.decide("deny");
    }
  });

  it("says of a narrowed request only where its own tools run", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask({ authorization_details: [TICKETS, DESK] }))).body;
    const approver = await Approver.bySlack(world, "dana", session_id);
    await approver.view();
    const { html } = await approver.review((unit) => unit !== "mcp:desk:print");
    expect(html).toContain(AT_HOST);
    expect(html).not.toContain(AT_HOME);
  });

  it("stands in the grant that was signed, in the audit log and in the receipt", async () => {
    const own = await approvedSession(world, { authorization_details: [READ_API] });
    await own.agent.call(own.sessionToken, "POST", `/sessions/${own.sessionId}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${own.sessionId}/receipt`);
      return status === 200 ? claimsOf(String(body["receipt"])) : undefined;
    });
    expect(receipt).toMatchObject({ agent_trust: "local", grant: { agent_trust: "local" } });
    for (const event of ["session.requested", "decision.approved"]) {
      const row = await until("the audit row", async () =>
        (await auditRows(world)).find(({ source, type }) => source === own.sessionId && type === event),
      );
      expect(JSON.parse(row.data)).toMatchObject({ agent_trust: "local" });
    }
  });
});

describe("a policy for remote agents alone", () => {
  it("W03 lets no local agent have what it allows, and a remote one", async () => {
    const refused = await (await world.agent()).ask(ask({ authorization_details: [WRITE_API] }));
    expect([refused.status, refused.body["error"]]).toEqual([403, "access_denied"]);
    const agent = await world.otherAgent();
    expect((await agent.ask(ask({ authorization_details: [WRITE_API] }))).status).toBe(202);
  });

  it("stops at the next use when the agent is said to be local, and its approver may not decide any more", async () => {
    const agent = await world.otherAgent();
    const asked = (await agent.ask(ask({ authorization_details: [WRITE_API], expires_in: 300 }))).body;
    await (await Approver.bySlack(world, "dana", asked.session_id)).approve();
    const token = tokenOf(await agent.poll(asked.auth_req_id));
    const proxy = `${world.issuer}/proxy/github`;
    expect((await agent.exchange(token, proxy)).status).toBe(200);
    const waiting = (await agent.ask(ask({ authorization_details: [READ_API], expires_in: 200 }))).body;
    const approver = await Approver.bySlack(world, "dana", waiting.session_id);
    await approver.view();
    await approver.review();
    const { agents } = world.document as { agents: { client_id: string }[] };
    const local = agents.map((one) => (one.client_id === "other-bot" ? { ...one, trust: "local" } : one));
    expect((await apply({ ...world.document, agents: local })).status).toBe(200);
    try {
      await until("the new document", async () =>
        (await agent.exchange(token, proxy)).status === 400 ? true : undefined,
      );
      expect((await approver.decide("approve")).status).toBe(403);
    } finally {
      await apply(world.document);
    }
  });

  it.each(["both", "", null, ["remote"]])("W is refused with trust %j", async (trust) => {
    const [first, ...others] = world.document["policies"] as object[];
    const { status } = await apply({ ...world.document, policies: [{ ...first, trust }, ...others] });
    expect(status).toBe(400);
  });
});
