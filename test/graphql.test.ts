import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Approver } from "./support/approver.ts";
import { startGraphqlUpstream, type GraphqlUpstream } from "./support/graphql-upstream.ts";
import { proxied, type ProxiedAnswer, type ProxiedCall } from "./support/proxied.ts";
import { approvedSession, ask, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

const READ = { type: "upstream_access", upstream: "linear", actions: ["issues:read"] };
const WRITE = { type: "upstream_access", upstream: "linear", actions: ["issues:read", "issues:write"] };

let linear: GraphqlUpstream;
let world: TestWorld;
let reader: Caller;
let writer: Caller;
beforeAll(async () => {
  linear = await startGraphqlUpstream();
  world = await startTestWorld({
    adjust: (document) => ({
      ...document,
      upstreams: [
        ...(document["upstreams"] as object[]),
        {
          id: "linear",
          connector: "api_key",
          base_url: linear.url,
          catalogue: "linear",
          api_key: { secret: "WEATHER_KEY" },
          header: "Authorization",
          scheme: "",
        },
      ],
      policies: (document["policies"] as { allow: string[] }[]).map((policy) => ({
        ...policy,
        allow: [...policy.allow, "linear:issues:*"],
      })),
    }),
  });
  reader = await caller([READ]);
  writer = await caller([WRITE]);
});
afterAll(async () => {
  await world?.close();
  await linear?.close();
});
beforeEach(() => {
  linear.seen.length = 0;
  linear.carriedOut.length = 0;
});

interface Caller {
  readonly session: Approved;
  send(call: ProxiedCall, path?: string): Promise<ProxiedAnswer>;
  post(body: unknown): Promise<ProxiedAnswer>;
  ask(query: string, more?: object): Promise<ProxiedAnswer>;
}

async function caller(authorization_details: readonly object[]): Promise<Caller> {
  const session = await approvedSession(world, { authorization_details });
  const token = await session.proxyToken("linear");
  const send: Caller["send"] = (call, path = "/proxy/linear/graphql") =>
    proxied(session.agent, token, path, { method: "POST", ...call });
  const post: Caller["post"] = (body) =>
    send({ headers: { "content-type": "application/json" }, body: () => JSON.stringify(body) });
  return { session, send, post, ask: (query, more = {}) => post({ query, ...more }) };
}

const json = { "content-type": "application/json" };
const nothingLeft = () => expect([linear.seen, linear.carriedOut]).toEqual([[], []]);

describe("what a GraphQL upstream is asked (group P)", () => {
  it("answers what was granted, with the credential injected", async () => {
    const answer = await reader.ask("query Q($id: String!) { issue(id: $id) { title team { key } } }", {
      operationName: "Q",
      variables: { id: "ENG-1" },
    });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ data: { issue: { title: "title of something" } } });
    expect(linear.carriedOut).toEqual(["query issue"]);
  });

  it("lets who may write do so, in one document or in a batch", async () => {
    expect((await writer.ask('mutation { issueCreate(title: "x") { success issue { id } } }')).status).toBe(200);
    const batch = [
      { query: "{ issues { nodes { id } } }" },
      { query: 'mutation { issueCreate(title: "y") { success } }' },
    ];
    expect((await writer.post(batch)).status).toBe(200);
    expect(linear.carriedOut.toSorted()).toEqual(["mutation issueCreate", "mutation issueCreate", "query issues"]);
  });

  const MUTATION = 'mutation { issueCreate(title: "x") { success } }';
  it.each<[string, unknown]>([
    ["a mutation", { query: MUTATION }],
    ["a mutation behind comments and line breaks", { query: `# query\n\n  ${MUTATION}` }],
    [
      "a mutation beside a query that is named",
      {
        query: `query A { issues { nodes { id } } } ${MUTATION.replace("mutation", "mutation B")}`,
        operationName: "A",
      },
    ],
    [
      "a mutation through a fragment",
      { query: 'mutation { ...F } fragment F on Mutation { issueCreate(title: "x") { success } }' },
    ],
    ["a mutation under an alias", { query: 'mutation { issues: issueCreate(title: "x") { success } }' }],
    [
      "a mutation that a variable leaves out",
      {
        query: 'mutation M($v: Boolean!) { issueCreate(title: "x") @include(if: $v) { success } }',
        variables: { v: false },
      },
    ],
    ["a batch with one mutation", [{ query: "{ issues { nodes { id } } }" }, { query: MUTATION }]],
    ["a field of no operation", { query: "{ viewer { id } }" }],
    ["a field that was not granted beside one that was", { query: "{ issues { nodes { id } } teams { id } }" }],
    ["a field that a condition leaves out", { query: "{ issues { nodes { id } } teams @skip(if: true) { id } }" }],
    ["the schema", { query: "{ __schema { types { name } } }" }],
    ["a type of the schema", { query: '{ issues { nodes { id } } __type(name: "Team") { name } }' }],
    ["a way through the graph to a secret", { query: '{ issue(id: "1") { team { webhooks { nodes { secret } } } } }' }],
    [
      "a way through a fragment to what lets people in",
      { query: '{ issue(id: "1") { ...I } } fragment I on Issue { team { x: inviteHash } }' },
    ],
  ])("P18 refuses %s with 403, and nothing leaves", async (_, body) => {
    const answer = await reader.post(body);
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.text)).toMatchObject({ error: "access_denied" });
    nothingLeft();
  });

  it.each<[string, unknown]>([
    ["a subscription", { query: "subscription { issues { nodes { id } } }" }],
    [
      "1000 aliases",
      { query: `{ ${Array.from({ length: 1000 }, (_, at) => `a${at}: issues { nodes { id } }`).join(" ")} }` },
    ],
    ["a persisted query", { extensions: { persistedQuery: { version: 1, sha256Hash: "ab" } } }],
    [
      "a persisted query beside a document",
      { query: "{ issues { nodes { id } } }", extensions: { persistedQuery: { version: 1, sha256Hash: "ab" } } },
    ],
    ["a query that is no text", { query: { a: 1 } }],
    ["an operation that is not there", { query: "query A { issues { nodes { id } } }", operationName: "B" }],
    ["an array in an array", [[{ query: "{ issues { nodes { id } } }" }]]],
    ["an empty array", []],
    ["a deferred part", { query: "{ issues { nodes { id } ... @defer { nodes { title } } } }" }],
    [
      "fragments in a circle",
      { query: "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F issues { nodes { id } } }" },
    ],
  ])("P18 refuses %s with 400, and nothing leaves", async (_, body) => {
    expect((await reader.post(body)).status).toBe(400);
    nothingLeft();
  });

  const READS = '{"query":"{ issues { nodes { id } } }"}';
  const utf16 = (text: string) => new Uint8Array(Buffer.from(`\uFEFF${text}`, "utf16le"));
  it.each<[string, number, ProxiedCall]>([
    [
      "a member that stands twice",
      400,
      { headers: json, body: () => `{"query":"mutation { x }","query":"{ issues { nodes { id } } }"}` },
    ],
    [
      "a member that stands twice, once in escapes",
      400,
      { headers: json, body: () => `{"qu\\u0065ry":"mutation { x }","query":"{ issues { nodes { id } } }"}` },
    ],
    ["a byte order mark", 400, { headers: json, body: () => `\uFEFF${READS}` }],
    ["UTF-16", 400, { headers: json, body: () => utf16(READS) }],
    [
      "UTF-16 that says so",
      415,
      { headers: { "content-type": "application/json; charset=utf-16" }, body: () => utf16(READS) },
    ],
    [
      "two character sets",
      415,
      { headers: { "content-type": "application/json; charset=utf-8; charset=utf-7" }, body: () => READS },
    ],
    ["bytes that are not UTF-8", 400, { headers: json, body: () => new Uint8Array([...Buffer.from(READS), 0xff]) }],
    ["a lone surrogate in escapes", 400, { headers: json, body: () => READS.replace("id", "\\ud800") }],
    ["no JSON", 400, { headers: json, body: () => "{ issues { nodes { id } } }" }],
    ["an empty body", 400, { headers: json, body: () => "" }],
    ["two documents in one body", 400, { headers: json, body: () => `${READS}\n${READS}` }],
    [
      "a body that is packed",
      415,
      { headers: { ...json, "content-encoding": "gzip" }, body: () => new Uint8Array(gzipSync(READS)) },
    ],
    [
      "the type application/graphql",
      415,
      { headers: { "content-type": "application/graphql" }, body: () => "{ issues { nodes { id } } }" },
    ],
    [
      "a form",
      415,
      { headers: { "content-type": "application/x-www-form-urlencoded" }, body: () => "query={issues{nodes{id}}}" },
    ],
    [
      "several parts",
      415,
      {
        headers: { "content-type": 'multipart/form-data; boundary="x"' },
        body: () => `--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n${READS}\r\n--x--`,
      },
    ],
    ["JSON that says it is text", 415, { headers: { "content-type": "text/plain" }, body: () => READS }],
    ["JSON that says nothing", 415, { headers: { "content-type": "" }, body: () => READS }],
    [
      "more than 256 KiB",
      413,
      { headers: json, body: () => READS.replace("{ issues", `#${"x".repeat(300_000)}\\n{ issues`) },
    ],
  ])("P18 refuses %s, and nothing leaves", async (_, status, call) => {
    expect((await reader.send(call)).status).toBe(status);
    nothingLeft();
  });

  it.each<[string, string, string]>([
    ["GET with a document", "GET", "/proxy/linear/graphql?query=%7Bissues%7Bnodes%7Bid%7D%7D%7D"],
    ["HEAD with a document", "HEAD", "/proxy/linear/graphql?query=%7Bissues%7Bnodes%7Bid%7D%7D%7D"],
    ["GET", "GET", "/proxy/linear/graphql"],
    ["PUT", "PUT", "/proxy/linear/graphql"],
    ["POST with a second document", "POST", "/proxy/linear/graphql?query=mutation%7Bx%7D"],
    ["POST with a query of another name", "POST", "/proxy/linear/graphql?a=1"],
    ["another spelling of the path", "POST", "/proxy/linear/GraphQL"],
    ["a path below", "POST", "/proxy/linear/graphql/batch"],
    ["a slash behind it", "POST", "/proxy/linear/graphql/"],
    ["the path in escapes", "POST", "/proxy/linear/%67raphql"],
  ])("P18 refuses %s, and nothing leaves", async (_, method, path) => {
    const body = method === "POST" || method === "PUT" ? { body: () => READS } : {};
    expect([400, 403]).toContain((await reader.send({ method, headers: json, ...body }, path)).status);
    nothingLeft();
  });

  it("P13 sends to the byte what was judged", async () => {
    const bodies = [
      READS,
      ` \t\r\n${READS.replace(":", " : ")}\n`,
      READS.replace("query", "qu\\u0065ry"),
      READS.replace("{ issues", "# \u00e9\u4e2d\u{1F600} e\u0301 \\u00e9\\n{ issues"),
      `{"variables":{"a":1e2,"b":1.0,"c":-0,"d":12345678901234567890},${READS.slice(1)}`,
    ];
    for (const body of bodies) {
      linear.seen.length = 0;
      expect((await reader.send({ headers: json, body: () => body })).status, body).toBe(200);
      expect(linear.seen[0]?.body.toString("hex")).toBe(Buffer.from(body).toString("hex"));
      expect(linear.seen[0]?.contentType).toBe("application/json");
    }
  });

  it("X17 lets a token that was narrowed do no more than it says", async () => {
    const { agent, sessionToken } = writer.session;
    const narrowed = await agent.exchange(sessionToken, `${world.issuer}/proxy/linear`, {
      authorization_details: JSON.stringify([READ]),
    });
    const token = String(narrowed.body["access_token"]);
    const body = () => JSON.stringify({ query: MUTATION });
    const answer = await proxied(agent, token, "/proxy/linear/graphql", { method: "POST", headers: json, body });
    expect(answer.status).toBe(403);
    nothingLeft();
  });
});

describe("what a GraphQL call costs", () => {
  it("is counted by the field, not by the request", async () => {
    const limits = { calls: 5, writes: 1 };
    const counted = await caller([{ ...WRITE, limits }]);
    const three = "{ a: issues { nodes { id } } b: issues { nodes { id } } c: issues { nodes { id } } }";
    expect((await counted.ask(three)).status).toBe(200);
    const refused = await counted.ask(three);
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({ limit: "calls", left: { calls: 2, writes: 1 } });
    const two = 'mutation { a: issueCreate(title: "x") { success } b: issueCreate(title: "y") { success } }';
    expect(JSON.parse((await counted.ask(two)).text)).toMatchObject({ error: "limit_reached", limit: "writes" });
    expect(linear.carriedOut).toHaveLength(3);
  });

  it("tells the approver that no location limits it", async () => {
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask({ authorization_details: [READ] }))).body;
    const { html } = await (await Approver.bySlack(world, "dana", session_id)).view();
    expect(html).toContain("not limited by location");
  });
});
