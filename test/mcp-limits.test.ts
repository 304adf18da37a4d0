import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { until } from "../demo/until.ts";
import { Approver, claimsOf } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import { startGuardedServer, type GuardedServer } from "./support/guarded-server.ts";
import { MCP_HEADERS, rpc } from "./support/json-rpc.ts";
import { proxied, type ProxiedAnswer } from "./support/proxied.ts";
import { decideDifference, differenceAt } from "./support/shown-tools.ts";
import { approvedSession, ask, startTestWorld, tokenOf, type Approved, type TestWorld } from "./support/world.ts";

const PATH = "/mcp/tickets";
/** What the policy of these tests allows at each place. */
const POLICY = { calls: 100, units: 500 };
const tools = (actions: readonly string[], limits?: object) => ({
  type: "mcp_tools",
  server: "tickets",
  actions,
  ...(limits === undefined ? {} : { limits }),
});
const BOTH = ["list_issues", "open_issue"];

let world: TestWorld;
let server: GuardedServer;
beforeAll(async () => {
  const port = await freePort();
  world = await startTestWorld({
    serverPort: port,
    adjust: (document) => {
      const { servers, policies } = document as { servers: object[]; policies: { allow: string[] }[] };
      const [tickets] = servers as { resource: string }[];
      return {
        ...document,
        servers: [
          {
            ...tickets,
            tools: {
              open_issue: { access: "write", operations: ["github:issues:write"], cost: 3 },
              list_issues: { access: "read", operations: [] },
            },
          },
          {
            ...tickets,
            id: "desk",
            resource: "http://localhost:9/desk",
            trust: "local",
            tools: { print: { access: "read", operations: [] } },
          },
        ],
        policies: policies.map((policy) => ({
          ...policy,
          limits: POLICY,
          allow: [...policy.allow, "mcp:tickets:*", "mcp:desk:print"],
        })),
      };
    },
  });
  server = await startGuardedServer(port, world.issuer);
  delete server.descriptions["close_issue"];
  server.descriptions["list_issues"] = "Lists issues";
  const first = await approvedSession(world, { authorization_details: [tools(BOTH)] });
  await post(first, rpc("tools/list"));
  await decideDifference(world, "accept", (await differenceAt(world))!);
});
afterAll(async () => {
  await world?.close();
  await server?.close();
});
beforeEach(() => {
  server.carriedOut.length = 0;
});

const call = (name: string, id = 1) => rpc("tools/call", { name, arguments: {} }, id);

function post(own: Approved, body: unknown, token = own.sessionToken): Promise<ProxiedAnswer> {
  return proxied(own.agent, token, PATH, { method: "POST", headers: MCP_HEADERS, body: () => JSON.stringify(body) });
}
const limited = (limits: object, actions = BOTH) =>
  approvedSession(world, { authorization_details: [tools(actions, limits)] });
const look = async ({ agent, sessionId, sessionToken }: Approved) =>
  (await agent.call(sessionToken, "GET", `/sessions/${sessionId}`)).body;
const usedOf = async (own: Approved) => {
  const { upstreams } = (await look(own))["usage"] as { upstreams: Record<string, unknown>[] };
  return upstreams.find(({ upstream }) => upstream === "mcp:tickets");
};
const statusesOf = async (own: Approved, ...bodies: unknown[]) => {
  const statuses: number[] = [];
  for (const body of bodies) statuses.push((await post(own, body)).status);
  return statuses;
};

describe("limits of a registered server", () => {
  it("let exactly 10 of 50 calls through that come at once, and say what is left", async () => {
    const own = await limited({ calls: 10 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(own, call("list_issues"))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([429]));
    expect(server.carriedOut).toHaveLength(10);
    expect(JSON.parse(refused[0]!.text)).toMatchObject({
      error: "limit_reached",
      limit: "calls",
      limits: { calls: 10, units: 500 },
      left: { calls: 0 },
    });
    expect(await usedOf(own)).toMatchObject({ calls: 10, writes: 0, units: 10, left: { calls: 0, units: 490 } });
    const rows = await until("the audit rows", async () => {
      const mine = (await auditRows(world)).filter(({ source }) => source === own.sessionId);
      return mine.filter(({ type }) => type === "refused").length >= 40 ? mine : undefined;
    });
    expect(rows.filter(({ type }) => type === "call.authorized")).toHaveLength(10);
  });

  it("count the tools that write apart, in the cost that the server declares, and a batch as its calls", async () => {
    const own = await limited({ writes: 2 });
    expect(await statusesOf(own, call("open_issue"), [call("open_issue"), call("list_issues", 2)])).toEqual([200, 200]);
    expect(await statusesOf(own, call("open_issue"), call("list_issues"))).toEqual([429, 200]);
    expect(await usedOf(own)).toMatchObject({ calls: 4, writes: 2, units: 8, left: { writes: 0 } });
    const few = await limited({ calls: 2 });
    const three = [1, 2, 3].map((id) => call("list_issues", id));
    expect(await statusesOf(few, three, three.slice(1), call("list_issues"))).toEqual([429, 200, 429]);
  });

  it("are not used up by a call that its server made impossible", async () => {
    const own = await limited({ calls: 1 });
    // What nobody looked at lately is looked at before a call.
    await world.broker.kill9();
    await world.broker.restart();
    server.byHand = (_, body, answer) => {
      if (!body.includes('"tools/list"')) return false;
      answer.writeHead(500).end();
      return true;
    };
    expect(await statusesOf(own, call("list_issues"), call("list_issues"))).toEqual([502, 502]);
    server.byHand = undefined;
    expect(await usedOf(own)).toMatchObject({ calls: 0, units: 0 });
    expect(await statusesOf(own, call("list_issues"), call("list_issues"))).toEqual([200, 429]);
    const rows = await until("the audit rows", async () => {
      const mine = (await auditRows(world)).filter(({ source }) => source === own.sessionId);
      return mine.some(({ data }) => String(data).includes("limit_reached")) ? mine : undefined;
    });
    expect(rows.filter(({ type }) => type === "call.authorized")).toHaveLength(1);
    expect(rows.filter(({ data }) => String(data).includes("definitions_unreadable"))).toHaveLength(2);
  });

  it("do not count connecting and listing as calls", async () => {
    const own = await limited({ calls: 1 });
    expect(await statusesOf(own, rpc("tools/list"), rpc("tools/list"), call("list_issues"))).toEqual([200, 200, 200]);
    expect(await statusesOf(own, call("list_issues"), rpc("tools/list"))).toEqual([429, 200]);
  });

  it("bound the bytes that pass, both ways", async () => {
    const own = await limited({ bytes: 400 });
    const large = rpc("tools/call", { name: "list_issues", arguments: { title: "x".repeat(500) } });
    const refused = await post(own, large);
    expect([refused.status, JSON.parse(refused.text)]).toEqual([429, expect.objectContaining({ limit: "bytes" })]);
    expect(server.carriedOut).toEqual([]);
  });

  it("are one count, whichever token is shown, and a token may have less", async () => {
    const own = await limited({ calls: 3 });
    const gateway = `${world.issuer}${PATH}`;
    const authorization_details = JSON.stringify([tools(BOTH, { calls: 2 })]);
    const less = tokenOf(await own.agent.exchange(own.sessionToken, gateway, { authorization_details }));
    expect((await post(own, call("list_issues"))).status).toBe(200);
    expect((await post(own, call("list_issues"), less)).status).toBe(200);
    expect((await post(own, call("list_issues"), less)).status).toBe(429);
    expect((await post(own, call("list_issues"))).status).toBe(200);
    expect((await post(own, call("list_issues"))).status).toBe(429);
    const more = JSON.stringify([tools(BOTH, { calls: 4 })]);
    const wider = await own.agent.exchange(own.sessionToken, gateway, { authorization_details: more });
    expect([wider.status, wider.body["error"]]).toEqual([400, "invalid_authorization_details"]);
  });

  it("are not passed by a token for the server itself, which no one would count", async () => {
    for (const own of [
      await limited({ calls: 1 }),
      await approvedSession(world, { authorization_details: [tools(BOTH)] }),
    ]) {
      const direct = await own.agent.exchange(own.sessionToken, server.resource);
      expect([direct.status, direct.body["error"]]).toEqual([400, "invalid_target"]);
      expect(direct.body["error_description"]).toContain("/mcp/{server}");
    }
  });

  it("stand in the receipt and in the audit log", async () => {
    const own = await limited({ calls: 5 });
    await post(own, [call("open_issue"), call("list_issues", 2)]);
    await own.agent.call(own.sessionToken, "POST", `/sessions/${own.sessionId}/end`);
    const receipt = await until("the receipt", async () => {
      const { status, body } = await world.broker.admin("GET", `/admin/sessions/${own.sessionId}/receipt`);
      return status === 200 ? claimsOf(String(body["receipt"])) : undefined;
    });
    const used = { upstream: "mcp:tickets", calls: 2, writes: 1, units: 4 };
    expect(receipt["usage"]).toMatchObject({ calls: 2, upstreams: [used] });
    expect(receipt["grant"]).toMatchObject({ authorization_details: [{ limits: { calls: 5, units: 500 } }] });
    const row = await until("the audit row", async () =>
      (await auditRows(world)).find(({ source, type }) => source === own.sessionId && type === "session.usage"),
    );
    expect(JSON.parse(row.data)).toMatchObject(used);
  });
});

describe("limits of a server that are asked for", () => {
  const refusedAsk = async (...authorization_details: object[]) => {
    const { status, body } = await (await sharedAgent()).ask(ask({ authorization_details }));
    return [status, body["error"]];
  };
  const INVALID = [400, "invalid_authorization_details"];

  it.each([{}, { calls: 0 }, { calls: 1.5 }, { calls: "3" }, { requests: 3 }, null, { calls: 101 }, { units: 501 }])(
    "Q04 refuses %j",
    async (limits) => {
      expect(await refusedAsk({ ...tools(BOTH), limits })).toEqual(INVALID);
    },
  );

  it("refuses different ones for one server, which could be read either way", async () => {
    const [list, open] = [["list_issues"], ["open_issue"]];
    for (const second of [undefined, { calls: 2 }])
      expect(await refusedAsk(tools(list!, { calls: 1 }), tools(open!, second))).toEqual(INVALID);
  });

  it("refuses any at a local server, where nobody could count", async () => {
    const desk = { type: "mcp_tools", server: "desk", actions: ["print"] };
    expect(await refusedAsk({ ...desk, limits: { calls: 1 } })).toEqual(INVALID);
    const own = await approvedSession(world, { authorization_details: [desk] });
    expect((await look(own))["authorization_details"]).toEqual([desk]);
    expect((await own.agent.exchange(own.sessionToken, "http://localhost:9/desk")).status).toBe(200);
  });

  it("are shown, and lowered by the approver, never raised", async () => {
    const agent = await world.freshAgent();
    const details = [tools(["list_issues"], { calls: 20 }), { type: "mcp_tools", server: "desk", actions: ["print"] }];
    const { session_id, auth_req_id } = (await agent.ask(ask({ authorization_details: details }))).body;
    const approver = await Approver.bySlack(world, "dana", session_id);
    const { html } = await approver.view();
    expect(html).toContain("server tickets: 20 calls, 500 cost units");
    expect(html).not.toContain("limit.mcp:desk");
    const lower = { "limit.mcp:tickets.calls": "5", "limit.mcp:tickets.units": "9999" };
    expect((await approver.review(undefined, undefined, lower)).html).toContain(
      "server tickets: 5 calls, 500 cost units",
    );
    await approver.decide("approve");
    const { body } = await agent.poll(auth_req_id);
    expect(body["authorization_details"]).toMatchObject([{ limits: { calls: 5, units: 500 } }, { server: "desk" }]);
  });

  it("A15 cannot be raised between what was shown and what is signed", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask({ authorization_details: [tools(BOTH, { calls: 20 })] }))).body;
    const approver = await Approver.bySlack(world, "dana", session_id);
    await approver.view();
    const { html } = await approver.review();
    const shown = /name="grant" value="([^"]*)"/.exec(html)?.[1]?.replaceAll("&quot;", '"') ?? "";
    for (const grant of [shown.replace('"calls":20', '"calls":21'), shown.replace('"calls":20,', "")]) {
      expect(grant).not.toBe(shown);
      expect((await approver.decide("approve", { grant })).status).toBe(409);
    }
  });
});

describe("limits of a server, when a session is granted more", () => {
  const askMore = ({ agent, sessionId, sessionToken }: Approved, ...authorization_details: object[]) =>
    agent.call(sessionToken, "POST", `/sessions/${sessionId}/grants`, { authorization_details });

  it("go on with what was used, and are never raised", async () => {
    const own = await limited({ calls: 2 }, ["list_issues"]);
    expect(await statusesOf(own, call("list_issues"))).toEqual([200]);
    const higher = await askMore(own, tools(["open_issue"], { calls: 3 }));
    expect([higher.status, higher.body["error_description"]]).toEqual([400, expect.stringContaining("never raised")]);
    const { body } = await askMore(own, tools(["open_issue"]));
    await (await Approver.bySlack(world, "dana", String(body["request_id"]))).approve();
    await until("more to be granted", async () =>
      ((await look(own)) as { step_up?: { status: string } }).step_up?.status === "approved" ? true : undefined,
    );
    // The session token was made for what was granted first; one made now carries all of it.
    const now = tokenOf(await own.agent.exchange(own.sessionToken, `${world.issuer}${PATH}`));
    expect((await post(own, call("open_issue"), now)).status).toBe(200);
    expect((await post(own, call("list_issues"), now)).status).toBe(429);
    expect(await usedOf(own)).toMatchObject({ calls: 2, left: { calls: 0 } });
  });
});

describe("limits of a server in today's policy", () => {
  it("P18 hold from the next call on, at the gateway and at the token endpoint", async () => {
    const policies = (world.document["policies"] as object[]).map((policy) => ({ ...policy, limits: undefined }));
    const apply = (document: object) => world.broker.admin("POST", "/admin/tenant", document);
    expect((await apply({ ...world.document, policies })).status).toBe(200);
    const own = await until("a session without limits", async () => {
      const session = await approvedSession(world, { authorization_details: [tools(BOTH)] });
      const [entry] = (await look(session))["authorization_details"] as { limits?: object }[];
      return entry?.limits === undefined ? session : undefined;
    });
    expect((await own.agent.exchange(own.sessionToken, server.resource)).status).toBe(200);
    expect(
      (await apply({ ...world.document, policies: policies.map((one) => ({ ...one, limits: { calls: 1 } })) })).status,
    ).toBe(200);
    try {
      await until("the new policy", async () =>
        (await own.agent.exchange(own.sessionToken, server.resource)).status === 400 ? true : undefined,
      );
      expect(await statusesOf(own, call("list_issues"), call("list_issues"))).toEqual([200, 429]);
    } finally {
      await apply(world.document);
    }
  });
});

/** For requests that are refused, which do not count against an agent's cap of open ones. */
let shared: Promise<Awaited<ReturnType<TestWorld["freshAgent"]>>> | undefined;
function sharedAgent(): Promise<Awaited<ReturnType<TestWorld["freshAgent"]>>> {
  shared ??= world.freshAgent();
  return shared;
}
