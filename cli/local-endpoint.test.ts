import { spawn, spawnSync } from "node:child_process";
import {
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { newProofKey, StintClient } from "./agent-client.ts";
import { GrantedSession } from "./granted-session.ts";
import { openEndpoint, type LocalEndpoint } from "./local-endpoint.ts";

/** A stand-in for the broker that is told what to answer, for what the real one does only now and then. */
interface Scripted {
  readonly issuer: string;
  /** What the proxy was asked, with the whole body that arrived. */
  readonly seen: { readonly headers: IncomingHttpHeaders; readonly url: string; readonly body: string }[];
  readonly counts: { exchanges: number; looks: number };
  answers: ((outgoing: ServerResponse) => void)[];
  view: object;
  tokenSeconds: number;
  /** Told of each part of a body as it arrives at the proxy. */
  onPart: (part: string) => void;
}

const servers: Server[] = [];
const endpoints: LocalEndpoint[] = [];
afterEach(async () => {
  await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const refuse = (error: string) => (outgoing: ServerResponse) =>
  void outgoing
    .writeHead(401, { "www-authenticate": `DPoP error="${error}", algs="ES256"`, "dpop-nonce": "fresh" })
    .end(JSON.stringify({ error }));
const well = (outgoing: ServerResponse) => void outgoing.writeHead(200, { "dpop-nonce": "next" }).end("well");

async function start(sessionSeconds = 600): Promise<{
  scripted: Scripted;
  endpoint: LocalEndpoint;
  session: GrantedSession;
  base: string;
}> {
  const seen: Scripted["seen"] = [];
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  servers.push(server);
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const scripted: Scripted = {
    issuer,
    seen,
    counts: { exchanges: 0, looks: 0 },
    answers: [],
    view: { status: "active" },
    tokenSeconds: 300,
    onPart: () => undefined,
  };
  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = incoming.url ?? "";
    const answer = url.startsWith("/proxy/") ? scripted.answers.shift() : undefined;
    let body = "";
    for await (const chunk of incoming) {
      body += String(chunk);
      if (url.startsWith("/proxy/")) scripted.onPart(String(chunk));
    }
    if (url.startsWith("/proxy/")) {
      seen.push({ headers: incoming.headers, url, body });
      (answer ?? well)(outgoing);
    } else if (url === "/oauth/token") {
      scripted.counts.exchanges += 1;
      const access_token = `token-${scripted.counts.exchanges}`;
      outgoing.writeHead(200).end(JSON.stringify({ access_token, expires_in: scripted.tokenSeconds }));
    } else {
      scripted.counts.looks += 1;
      outgoing.writeHead(200, { "dpop-nonce": "looked" }).end(JSON.stringify(scripted.view));
    }
  }
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const client = new StintClient(issuer, "bot", await exportJWK(privateKey), await newProofKey());
  const session = new GrantedSession(client, {
    session_id: "ses_1",
    access_token: "session-token",
    expires_in: sessionSeconds,
    authorization_details: [{ type: "upstream_access", upstream: "github" }],
  });
  const endpoint = await openEndpoint(session);
  endpoints.push(endpoint);
  return { scripted, endpoint, session, base: endpoint.baseOf("github") };
}

/** A request whose every header is the test's own. */
function call(url: string, headers: Record<string, string>, method = "GET"): Promise<{ status: number; text: string }> {
  return new Promise((done, fail) => {
    const outgoing = request(url, { method, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => done({ status: response.statusCode ?? 0, text }));
    });
    outgoing.on("error", fail).end();
  });
}

const nonceOf = (proof: unknown): unknown =>
  (JSON.parse(Buffer.from(String(proof).split(".")[1] ?? "", "base64url").toString()) as { nonce?: string }).nonce;

describe("the local endpoint", () => {
  it("lets nobody in without the secret in the path", async () => {
    const { base, scripted } = await start();
    const { origin, pathname } = new URL(base);
    const [, secret = ""] = pathname.split("/");
    const wrong = [
      "/",
      "/github/x",
      "/proxy/github/x",
      `/${secret.slice(0, -1)}/github/x`,
      `/${secret}x/github/x`,
      `/${secret.toUpperCase()}/github/x`,
      `//${secret}/github/x`,
      `/${secret}`,
      `/${secret}/../github/x`,
    ];
    for (const path of wrong) expect(await callRaw(origin, path)).toBe(404);
    expect(scripted.seen).toHaveLength(0);
  });

  it("lets nobody in under another name, nor a page of a browser", async () => {
    const { base, scripted } = await start();
    const { port } = new URL(base);
    for (const host of [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1",
      `127.0.0.1:${Number(port) + 1}`,
      `0.0.0.0:${port}`,
    ])
      expect((await call(`${base}/x`, { host })).status).toBe(421);
    expect((await call(`${base}/x`, { origin: "https://evil.example" })).status).toBe(403);
    expect((await call(`${base}/x`, { origin: "null" })).status).toBe(403);
    for (const site of ["cross-site", "same-site", "same-origin", "none"])
      expect((await call(`${base}/x`, { "sec-fetch-site": site, "sec-fetch-mode": "no-cors" })).status).toBe(403);
    expect(scripted.seen).toHaveLength(0);
    expect((await call(`${base}/x`, { host: `localhost:${port}` })).status).toBe(200);
  });

  it("reaches what was granted and nothing else", async () => {
    const { base, scripted } = await start();
    expect((await fetch(`${base.replace(/github$/, "stripe")}/x`)).status).toBe(403);
    expect((await fetch(`${base}/../../oauth/token`)).status).toBe(404);
    expect(scripted.seen).toHaveLength(0);
  });

  it("puts its token in the place of whatever the program sends, and keeps its own words to itself", async () => {
    const { base, scripted } = await start();
    scripted.answers = [
      (outgoing) =>
        void outgoing
          .writeHead(201, {
            location: `${scripted.issuer}/proxy/github/things/1?a=b`,
            "dpop-nonce": "n",
            "x-request-id": "7",
          })
          .end(),
    ];
    const answer = await fetch(`${base}/things?q=1`, {
      headers: { authorization: "Bearer mine", cookie: "a=b", dpop: "x", referer: base, "x-github-api-version": "1" },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe(`${base}/things/1?a=b`);
    expect(answer.headers.get("dpop-nonce")).toBeNull();
    expect(answer.headers.get("x-request-id")).toBe("7");
    const [seen] = scripted.seen;
    expect(seen).toMatchObject({
      url: "/proxy/github/things?q=1",
      headers: { authorization: "DPoP token-1", "x-github-api-version": "1" },
    });
    expect(seen?.headers["dpop"]).toMatch(/^ey/);
    expect(seen?.headers.cookie).toBeUndefined();
    expect(seen?.headers.referer).toBeUndefined();
  });

  it("sends again under a fresh nonce, also a body", async () => {
    const { base, scripted } = await start();
    scripted.answers = [refuse("use_dpop_nonce"), well];
    const body = "b".repeat(200_000);
    const answer = await fetch(`${base}/things`, { method: "POST", body });
    expect(await answer.text()).toBe("well");
    expect(scripted.seen.map((one) => one.body.length)).toEqual([200_000, 200_000]);
    expect(nonceOf(scripted.seen[1]?.headers["dpop"])).toBe("fresh");
    await fetch(`${base}/things`);
    expect(nonceOf(scripted.seen[2]?.headers["dpop"])).toBe("next");
  });

  it("sees to a nonce before a body that can be sent only once, and says so when it was no good", async () => {
    const { base, scripted } = await start();
    scripted.answers = [refuse("use_dpop_nonce")];
    const answer = await fetch(`${base}/things`, { method: "POST", body: "b".repeat(2_000_000) });
    expect(answer.status).toBe(503);
    expect(await answer.text()).toMatch(/use_dpop_nonce.*nothing reached the upstream/);
    expect(scripted.counts.looks).toBe(1);
    expect(scripted.seen).toHaveLength(1);
    expect(nonceOf(scripted.seen[0]?.headers["dpop"])).toBe("looked");
  });

  it("streams a body: what was sent so far arrives before the rest is written", async () => {
    const { base, scripted } = await start();
    const first = new Promise<string>((done) => (scripted.onPart = done));
    const answered = new Promise<IncomingMessage>((done, fail) => {
      const sending = request(`${base}/things`, { method: "POST" }, done).on("error", fail);
      sending.write("first");
      void first.then(() => sending.end(" last"));
    });
    expect(await first).toBe("first");
    expect((await answered).statusCode).toBe(200);
    expect(scripted.seen[0]?.body).toBe("first last");
  });

  it("does not ask for nonces for ever", async () => {
    const { base, scripted } = await start();
    scripted.answers = Array.from({ length: 9 }, () => refuse("use_dpop_nonce"));
    expect((await fetch(`${base}/things`)).status).toBe(503);
    expect(scripted.seen).toHaveLength(3);
  });

  it("exchanges again when a token is no longer taken, and before it ends", async () => {
    const { base, scripted } = await start();
    scripted.answers = [refuse("invalid_token"), well];
    expect(await (await fetch(`${base}/things`)).text()).toBe("well");
    expect(scripted.seen.map(({ headers }) => headers.authorization)).toEqual(["DPoP token-1", "DPoP token-2"]);
    await fetch(`${base}/things`);
    expect(scripted.counts.exchanges).toBe(2);
  });

  it("takes a new token for each call when tokens live for less than it needs", async () => {
    const { base, scripted } = await start();
    scripted.tokenSeconds = 10;
    await fetch(`${base}/things`);
    await fetch(`${base}/things`);
    expect(scripted.counts.exchanges).toBe(2);
  });

  it("shares one exchange among calls that come together", async () => {
    const { base, scripted } = await start();
    const answers = await Promise.all(Array.from({ length: 30 }, () => fetch(`${base}/things`)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 200));
    expect(scripted.counts.exchanges).toBe(1);
    expect(new Set(scripted.seen.map(({ headers }) => headers["dpop"])).size).toBe(30);
  });

  it("says in plain text that the session has ended, once to whoever watches", async () => {
    const { base, scripted, session } = await start();
    const told: string[] = [];
    session.onEnd = (outcome) => told.push(outcome);
    scripted.answers = [refuse("invalid_token")];
    scripted.view = { status: "ended", outcome: "revoked" };
    const answer = await fetch(`${base}/things`);
    expect(answer.status).toBe(401);
    expect(await answer.text()).toMatch(/the session has ended \(revoked\)/);
    expect((await fetch(`${base}/things`)).status).toBe(401);
    expect(scripted.seen).toHaveLength(1);
    expect(told).toEqual(["revoked"]);
  });

  it("lets nothing through once the session's time is up, also before Stint says so", async () => {
    const { base, scripted, session } = await start(0);
    const told: string[] = [];
    session.onEnd = (outcome) => told.push(outcome);
    const answer = await fetch(`${base}/things`);
    expect([answer.status, await answer.text()]).toEqual([401, expect.stringMatching(/has ended \(expired\)/)]);
    expect(scripted.counts).toEqual({ exchanges: 0, looks: 0 });
    expect(told).toEqual(["expired"]);
  });

  it("says that Stint is away, and sends no call twice when an answer was lost", async () => {
    const { base, scripted } = await start();
    scripted.answers = [(outgoing) => void outgoing.destroy()];
    const answer = await fetch(`${base}/things`, { method: "POST", body: "x" });
    expect(answer.status).toBe(502);
    expect(await answer.text()).toMatch(/whether the call had its effect is not known/);
    expect(scripted.seen).toHaveLength(1);
  });

  it("breaks an answer off that broke off, rather than make it look whole", async () => {
    const { base, scripted } = await start();
    scripted.answers = [
      (outgoing) => {
        outgoing.writeHead(200, { "transfer-encoding": "chunked" });
        outgoing.write("half", () => outgoing.destroy());
      },
    ];
    const answer = await fetch(`${base}/things`);
    await expect(answer.text()).rejects.toThrow();
  });

  it.runIf(process.platform === "linux" && process.getuid?.() === 0)(
    "lets no other user in, also one who knows the secret",
    async () => {
      const { base, scripted } = await start();
      const script = `fetch(process.argv[1]).then(async (r) => console.log(r.status, await r.text()))`;
      const text = await outputOf(script, `${base}/things`, 65_534);
      expect(text).toMatch(/^403 stint: this endpoint belongs to another user/);
      expect(scripted.seen).toHaveLength(0);
      expect(await outputOf(script, `${base}/things`, 0)).toMatch(/^200 well/);
    },
  );

  it.runIf(process.platform === "linux" && process.getuid?.() === 0)(
    "lets nobody in who hangs up before it is seen who they are: the kernel then says root",
    async () => {
      const { base, scripted } = await start();
      // Nothing is accepted here until the other process is gone.
      const { status } = spawnSync(process.execPath, ["-e", HIT_AND_RUN, `${base}/things`], {
        uid: 65_534,
        cwd: "/",
        env: {},
      });
      expect(status).toBe(0);
      expect((await fetch(`${base}/other`)).status).toBe(200);
      expect(scripted.seen.map(({ url }) => url)).toEqual(["/proxy/github/other"]);
    },
  );
});

/** A script of another user's that sends one request, and is gone before anybody has looked who it is. */
const HIT_AND_RUN = `
  const { hostname, port, pathname, host } = new URL(process.argv[1]);
  const socket = require("node:net").connect(port, hostname, () => {
    socket.end("POST " + pathname + " HTTP/1.1\\r\\nHost: " + host + "\\r\\nContent-Length: 0\\r\\n\\r\\n", () => process.exit(0));
  });`;

function callRaw(origin: string, path: string): Promise<number> {
  const { hostname, port } = new URL(origin);
  return new Promise((done, fail) => {
    request({ hostname, port, path }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    })
      .on("error", fail)
      .end();
  });
}

function outputOf(script: string, argument: string, uid: number): Promise<string> {
  const child = spawn(process.execPath, ["-e", script, argument], { uid, cwd: "/", env: {} });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((done) => void child.on("close", () => done(text)));
}
