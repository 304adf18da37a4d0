import { createServer, request } from "node:http";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { auditRows } from "./support/audit-rows.ts";
import { authenticated } from "./support/oauth-requests.ts";
import { ProxyCaller, wholeOf } from "./support/proxy-caller.ts";
import { approvedSession, startTestWorld, type Approved, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let session: Approved;
let token: string;
let caller: ProxyCaller;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());
beforeEach(async () => {
  world.echo.seen.length = 0;
  world.echo.byHand = undefined;
  world.echo.answer = () => ({ status: 200, body: "{}" });
  session = await approvedSession(world);
  token = await session.proxyToken("echo");
  caller = new ProxyCaller(world, session, token);
});

/** An event stream that says something every now and then, for ever. */
function speakForEver(): void {
  world.echo.byHand = (_, outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" }).write("data: 0\n\n");
    const timer = setInterval(() => outgoing.write("data: 1\n\n"), 50);
    outgoing.on("close", () => clearInterval(timer));
  };
}

/** What dana approves within the same second is dead as well, so this outwaits it. */
async function cutOffDana(): Promise<void> {
  await world.broker.admin("POST", "/admin/people/dana@acme.example/revoke", {});
  const second = Math.floor(Date.now() / 1000);
  await until("the next second", () => Promise.resolve(Date.now() >= (second + 1) * 1000 || undefined));
}

describe("O14 Z06 a stream whose session is over", () => {
  const adminPost = (path: string, body: object = {}): Promise<unknown> => world.broker.admin("POST", path, body);
  const waysToEnd: [string, () => Promise<unknown>][] = [
    ["was revoked", () => adminPost(`/admin/sessions/${session.sessionId}/revoke`)],
    [
      "was ended by its agent",
      () => session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`),
    ],
    ["was cut off with its agent", () => adminPost(`/admin/agents/${session.agent.clientId}/revoke`)],
    ["was cut off with its approver", cutOffDana],
    ["lost this token", () => authenticated(session.agent, "/oauth/revoke", { token })],
  ];
  it.each(waysToEnd)("is cut when the session %s", async (_, end) => {
    speakForEver();
    const response = await caller.begin();
    expect(response.statusCode).toBe(200);
    const rest = wholeOf(response);
    await end();
    expect(await rest).toMatchObject({ isCut: true });
    world.echo.byHand = undefined;
    expect((await caller.call()).status).toBe(401);
  });

  it("is cut when its agent is registered no longer", async () => {
    type Document = { agents: { client_id: string }[]; policies: { agents: string[] }[] };
    const { document } = (await world.broker.admin("GET", "/admin/tenant")).body as { document: Document };
    speakForEver();
    const rest = wholeOf(await caller.begin());
    const gone = session.agent.clientId;
    await adminPost("/admin/tenant", {
      ...document,
      agents: document.agents.filter(({ client_id }) => client_id !== gone),
      policies: document.policies.map((policy) => ({ ...policy, agents: policy.agents.filter((id) => id !== gone) })),
    });
    expect(await rest).toMatchObject({ isCut: true });
    await adminPost("/admin/tenant", document);
  });

  it("gets no answer at all when the session ends before the head of it came", async () => {
    let answer = (): void => undefined;
    const arrived = new Promise<void>((done) => {
      world.echo.byHand = (_, outgoing) => {
        answer = () => void outgoing.end('{"secret":1}');
        done();
      };
    });
    const pending = caller.call("POST", "/proxy/echo/things", {}, "{}");
    await arrived;
    await world.broker.admin("POST", `/admin/sessions/${session.sessionId}/revoke`, {});
    const { status, body } = await pending;
    expect(status).toBe(401);
    expect(body).not.toContain("secret");
    answer();
  });

  it("gets no answer that the upstream gives as soon as the session has ended", async () => {
    for (const [method, path] of [
      ["GET", "/proxy/echo/things"],
      ["POST", "/proxy/echo/things"],
    ] as const) {
      session = await approvedSession(world);
      caller = new ProxyCaller(world, session, await session.proxyToken("echo"));
      let answer = (): void => undefined;
      const arrived = new Promise<void>((done) => {
        world.echo.byHand = (_, outgoing) => {
          answer = () => void outgoing.end('{"secret":1}');
          done();
        };
      });
      const pending = caller.call(method, path);
      await arrived;
      await world.broker.admin("POST", `/admin/sessions/${session.sessionId}/revoke`, {});
      answer();
      const { status, body } = await pending;
      expect(status).toBe(401);
      expect(body).not.toContain("secret");
    }
  });

  it("is cut in the middle of what the caller sends, too", async () => {
    world.echo.byHand = (incoming) => void incoming.resume();
    const { authorization, dpop } = await caller.credentials("POST", "/proxy/echo/things");
    const answer = new Promise<number>((done, fail) => {
      const sent = request(
        {
          host: "127.0.0.1",
          port: world.broker.port,
          method: "POST",
          path: "/proxy/echo/things",
          headers: { host: new URL(world.issuer).host, authorization, dpop },
        },
        (response) => {
          sent.destroy();
          done(response.statusCode ?? 0);
        },
      );
      sent.on("error", fail);
      sent.write("the beginning");
    });
    await until("the beginning at the upstream", () => Promise.resolve(world.echo.seen[0]));
    await world.broker.admin("POST", `/admin/sessions/${session.sessionId}/revoke`, {});
    expect(await answer).toBe(401);
  });
});

describe("an upstream that refuses our credential (O03)", () => {
  it("is asked once a call, and for a new credential a few times and no more: one that refuses all makes no loop", async () => {
    world.echo.answer = () => ({ status: 401, body: "no" });
    for (let at = 0; at < 9; at += 1) expect((await caller.call()).status).toBe(502);
    expect(world.echo.seen).toHaveLength(9);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${session.sessionId}`);
    expect(body["leases"]).toHaveLength(6);
  });

  it("is written down, and asked once", async () => {
    world.echo.answer = () => ({ status: 401, headers: { "www-authenticate": "Basic" }, body: "no" });
    const answer = await caller.call("POST", "/proxy/echo/things", {}, "{}");
    expect(JSON.parse(answer.body)).toMatchObject({ error: "upstream_unauthorized" });
    expect(world.echo.seen).toHaveLength(1);
    await until("the event", async () =>
      (await auditRows(world)).find(({ type }) => type === "upstream.credential_refused"),
    );
    world.echo.answer = () => ({ status: 200, body: "{}" });
    expect((await caller.call()).status).toBe(200);
  });
});

describe("an upstream that is not there (fault FI, P30)", () => {
  it.each([400, 403, 404, 422, 429, 500])(
    "is not what an upstream is that answers %i, however often",
    async (status) => {
      world.echo.answer = () => ({ status, body: "{}" });
      for (let at = 0; at < 8; at += 1) expect((await caller.call()).status).toBe(status);
      expect(world.echo.seen).toHaveLength(8);
    },
  );

  it("is not asked again for a call that may have had its effect, over a connection that was open", async () => {
    await caller.call();
    world.echo.byHand = (incoming) => void incoming.socket.destroy();
    for (const method of ["GET", "DELETE", "PUT"]) {
      world.echo.seen.length = 0;
      const path = method === "GET" ? "/proxy/echo/things" : "/proxy/echo/things/1";
      expect((await caller.call(method, path)).status, method).toBe(502);
      expect(world.echo.seen.length, method).toBe(1);
    }
  });
});

describe("answers that are out of order (O04, O11, fault FJ)", () => {
  it.each([
    ["a status that there is not", "HTTP/1.1 999 No\r\ncontent-length: 2\r\n\r\n{}"],
    ["a 205 with a body", "HTTP/1.1 205 Reset\r\ncontent-length: 2\r\n\r\n{}"],
    ["garbage for a head", "MIAOW\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x"],
    ["length and chunks", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}"],
    ["chunks that are none", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}"],
    ["gzip that is none", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 8\r\n\r\nnot gzip"],
    ["an end before its length", "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{}"],
  ])("never look whole, and do not hurt: %s", async (_, text) => {
    world.echo.byHand = (incoming) => void incoming.socket.end(text);
    const answer = await caller.call();
    expect(answer.status !== 200 || answer.isCut, JSON.stringify(answer)).toBe(true);
    expect([0, 200, 205, 502]).toContain(answer.status);
    world.echo.byHand = undefined;
    expect((await caller.call()).status).toBe(200);
  });

  it("gives a redirect to the upstream itself as the caller can follow it, judged like any call", async () => {
    const { issuer, echo } = world;
    for (const location of ["/things/7?page=2", `${echo.url}/things/7?page=2`, "things/7?page=2"]) {
      echo.answer = () => ({ status: 302, headers: { location } });
      const answer = await caller.call();
      expect(answer).toMatchObject({ status: 302, headers: { location: `${issuer}/proxy/echo/things/7?page=2` } });
    }
    expect(world.echo.seen).toHaveLength(3);
  });

  it("sends the credential nowhere else, whatever a redirect says", async () => {
    const seen: unknown[] = [];
    const elsewhere = createServer((incoming, outgoing) => {
      seen.push(incoming.headers);
      outgoing.end("{}");
    });
    await new Promise<void>((done) => void elsewhere.listen(0, "127.0.0.1", done));
    const address = elsewhere.address() as { port: number };
    const { host } = new URL(world.echo.url);
    for (const location of [
      `http://127.0.0.1:${address.port}/things`,
      `//127.0.0.1:${address.port}/things`,
      `http://${host}@127.0.0.1:${address.port}/things`,
      `http://u:p@${host}/things`,
      `${world.echo.url}.evil.test/things`,
      "/things/../secrets/..",
      "/things//x",
      "/things?access_token=abc",
      "javascript:alert(1)",
      "data:text/html,x",
      "http://[",
      "",
    ]) {
      world.echo.answer = () => ({ status: 307, headers: { location } });
      const answer = await caller.call("POST", "/proxy/echo/things", {}, "{}");
      if (answer.status === 307) expect(answer.headers.location, location).toMatch(`${world.issuer}/proxy/echo/`);
      else expect(JSON.parse(answer.body), location).toMatchObject({ error: "upstream_redirect" });
    }
    expect(seen).toEqual([]);
    elsewhere.close();
  });
});

describe("requests that two readers would read differently", () => {
  it.each([
    [400, { "content-type": ["application/json", "text/plain"] }],
    [415, { "content-encoding": "gzip" }],
    [400, { te: "trailers" }],
    [400, { upgrade: "websocket", connection: "upgrade" }],
    [400, { trailer: "x" }],
  ] as const)("get %i, and nothing leaves", async (status, headers) => {
    const answer = await caller.call("POST", "/proxy/echo/things", headers as never, "{}").catch(() => undefined);
    expect(answer?.status ?? status).toBe(status);
    expect(world.echo.seen).toEqual([]);
  });
});

describe("a request whose body breaks off (O11, fault FP)", () => {
  /** Sends the beginning of a body in chunks, breaks it off once the upstream has some of it, and answers what each side saw. */
  async function breakOff(breaking: (connection: Socket) => void): Promise<{ upstream: string; answer: string }> {
    const begun = Promise.withResolvers<void>();
    const upstream = Promise.withResolvers<string>();
    world.echo.byHand = (incoming, outgoing) => {
      incoming.on("data", () => begun.resolve());
      incoming.on("end", () => outgoing.end("{}"));
      incoming.on("close", () => upstream.resolve(incoming.complete ? "whole" : "cut"));
      incoming.on("error", () => undefined);
    };
    const credentials = await caller.credentials("POST", "/proxy/echo/things");
    const connection = connect(world.broker.port, "127.0.0.1");
    const answer = Promise.withResolvers<string>();
    let read = "";
    connection.on("data", (chunk: Buffer) => (read += chunk.toString()));
    connection.on("error", () => undefined);
    connection.on("close", () => answer.resolve(read));
    connection.write(
      [
        "POST /proxy/echo/things HTTP/1.1",
        `host: ${new URL(world.issuer).host}`,
        `authorization: ${credentials.authorization}`,
        `dpop: ${credentials.dpop}`,
        "content-type: application/json",
        "transfer-encoding: chunked",
        "connection: close",
        "",
        "5\r\nhello\r\n",
      ].join("\r\n"),
    );
    await begun.promise;
    breaking(connection);
    return { upstream: await upstream.promise, answer: await answer.promise };
  }

  it.each<[string, (connection: Socket) => void]>([
    ["in a chunk that is none", (connection) => void connection.write("zz\r\n")],
    ["in a chunk that is longer than it says", (connection) => void connection.write("2\r\nabc\r\n0\r\n\r\n")],
    ["by an end without a last chunk", (connection) => void connection.end()],
  ])("is not whole to the upstream, and refused to the caller: %s", async (_, breaking) => {
    const { upstream, answer } = await breakOff(breaking);
    expect(upstream).toBe("cut");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"error":"invalid_request"');
  });

  it("is not whole to the upstream when its caller is gone", async () => {
    const { upstream } = await breakOff((connection) => connection.destroy());
    expect(upstream).toBe("cut");
  });
});

describe("the breaker of an upstream that is not there (fault FI)", () => {
  // Last in this file: for ten seconds nobody reaches that upstream any more.
  it("is left alone after five failures in a row, and the caller is told for how long", async () => {
    world.echo.byHand = (incoming) => void incoming.socket.destroy();
    for (let at = 0; at < 5; at += 1) {
      expect(await caller.call("POST", "/proxy/echo/things", {}, "{}")).toMatchObject({ status: 502 });
      expect(world.echo.seen).toHaveLength(at + 1);
    }
    world.echo.byHand = undefined;
    const { status, headers, body } = await caller.call();
    expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 503, error: "upstream_unavailable" });
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect(world.echo.seen).toHaveLength(5);
    // Another upstream of the tenant is none the worse, and who may not call hears that first.
    const other = await session.agent.call(await session.proxyToken(), "GET", "/proxy/github/repos/acme/api/issues");
    expect(other.status).toBe(200);
    await world.broker.admin("POST", `/admin/sessions/${session.sessionId}/revoke`, {});
    expect((await caller.call()).status).toBe(401);
  });
});
