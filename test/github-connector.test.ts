import { generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { jwtVerify } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { claimsOf } from "./support/approver.ts";
import { approvedSession, READ_API, startTestWorld, type TestWorld } from "./support/world.ts";

/** A GitHub that misbehaves as it is told. A hand-made stand-in: the emulator always behaves. */
interface HostileGithub {
  readonly url: string;
  readonly seen: { method: string; url: string; authorization: string; body: string }[];
  token: (asked: { repositories: string[]; permissions: Record<string, string> }) => {
    status: number;
    body: object;
    delayMs?: number;
  };
  revocationStatus: number;
  close(): Promise<void>;
}

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

let world: TestWorld | undefined;
let github: HostileGithub | undefined;
afterEach(async () => {
  await world?.close();
  await github?.close();
});

async function startHostileGithub(): Promise<HostileGithub> {
  const hostile: HostileGithub = {
    url: "",
    seen: [],
    token: ({ repositories, permissions }) => ({
      status: 201,
      body: {
        token: "ghs_good",
        expires_at: inAnHour(),
        permissions,
        repositories: repositories.map((name) => ({ full_name: `acme/${name}` })),
      },
    }),
    revocationStatus: 204,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  const server: Server = createServer((incoming, outgoing) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      const { method = "", url = "" } = incoming;
      hostile.seen.push({ method, url, authorization: incoming.headers.authorization ?? "", body });
      if (url.endsWith("/access_tokens")) {
        const answer = hostile.token(JSON.parse(body) as never);
        setTimeout(
          () =>
            outgoing.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body)),
          answer.delayMs ?? 0,
        );
      } else if (url === "/installation/token") outgoing.writeHead(hostile.revocationStatus).end();
      else outgoing.writeHead(200, { "content-type": "application/json" }).end("[]");
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return Object.assign(hostile, {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
  });
}

async function start(
  secrets: Record<string, string> = { GITHUB_APP_KEY: privateKey.export({ type: "pkcs1", format: "pem" }).toString() },
) {
  github = await startHostileGithub();
  const { url } = github;
  world = await startTestWorld({
    secrets,
    adjust: (document) => {
      const [upstream] = document["upstreams"] as object[];
      return { ...document, upstreams: [{ ...upstream, base_url: url }] };
    },
  });
  const session = await approvedSession(world, { authorization_details: [READ_API] });
  return { github, world, ...session, token: await session.proxyToken("github") };
}

const ISSUES = "/proxy/github/repos/acme/api/issues";

describe("the GitHub App connector", () => {
  it("asks for the granted repositories and permissions alone, once for many calls, as the App", async () => {
    const { github: hub, agent, token } = await start();
    const answers = await Promise.all(Array.from({ length: 10 }, () => agent.call(token, "GET", ISSUES)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    const mints = hub.seen.filter(({ url }) => url.endsWith("/access_tokens"));
    expect(mints).toHaveLength(1);
    expect(mints[0]).toMatchObject({
      url: "/app/installations/100/access_tokens",
      body: JSON.stringify({ repositories: ["api"], permissions: { issues: "read" } }),
    });
    const { payload, protectedHeader } = await jwtVerify(mints[0]!.authorization.replace("Bearer ", ""), publicKey);
    expect(payload.iss).toBe("12345");
    expect(protectedHeader.alg).toBe("RS256");
    expect(
      hub.seen
        .filter(({ url }) => url.includes("/issues"))
        .every(({ authorization }) => authorization === "Bearer ghs_good"),
    ).toBe(true);
  });

  it.each<[string, HostileGithub["token"]]>([
    [
      "more repositories",
      ({ permissions }) => ({
        status: 201,
        body: {
          token: "ghs_wide",
          expires_at: inAnHour(),
          permissions,
          repositories: [{ full_name: "acme/api" }, { full_name: "acme/secret" }],
        },
      }),
    ],
    [
      "a stronger permission",
      () => ({ status: 201, body: { token: "ghs_wide", expires_at: inAnHour(), permissions: { issues: "write" } } }),
    ],
    [
      "a permission that was not asked",
      () => ({
        status: 201,
        body: { token: "ghs_wide", expires_at: inAnHour(), permissions: { issues: "read", administration: "read" } },
      }),
    ],
  ])("refuses a token that holds %s, and takes it back", async (_, token) => {
    const session = await start();
    session.github.token = token;
    expect(await session.agent.call(session.token, "GET", ISSUES)).toMatchObject({
      status: 502,
      body: { error: "upstream_unauthorized" },
    });
    expect(
      session.github.seen.filter(({ method }) => method === "DELETE").map(({ authorization }) => authorization),
    ).toEqual(["Bearer ghs_wide"]);
    expect(session.github.seen.some(({ url }) => url.includes("/issues"))).toBe(false);
  });

  it.each<[string, HostileGithub["token"], number, string]>([
    ["500", () => ({ status: 500, body: {} }), 502, "upstream_unavailable"],
    ["429", () => ({ status: 429, body: {} }), 502, "upstream_unavailable"],
    ["401", () => ({ status: 401, body: {} }), 502, "upstream_unauthorized"],
    ["nonsense", () => ({ status: 201, body: { token: 7 } }), 502, "upstream_unavailable"],
  ])("FI answers plainly when GitHub answers %s to the mint", async (_, token, status, error) => {
    const session = await start();
    session.github.token = token;
    expect(await session.agent.call(session.token, "GET", ISSUES)).toMatchObject({ status, body: { error } });
  });

  it("FL says that the operator must mend it when the App's key is missing or no key", async () => {
    const session = await start({ GITHUB_APP_KEY: "not a key" });
    expect(await session.agent.call(session.token, "GET", ISSUES)).toMatchObject({ status: 503 });
    expect(session.github.seen).toEqual([]);
  });

  it("X22 takes back a token that arrives after the session was revoked, and lets nothing through", async () => {
    const { github: hub, world: running, agent, token, sessionId } = await start();
    const { token: quick } = hub;
    hub.token = (asked) => ({ ...quick(asked), delayMs: 600 });
    const call = agent.call(token, "GET", ISSUES);
    await until("the mint", async () =>
      hub.seen.some(({ url }) => url.endsWith("/access_tokens")) ? true : undefined,
    );
    await running.broker.admin("POST", `/admin/sessions/${sessionId}/revoke`, {});
    expect((await call).status).toBe(401);
    await until("the revocation", async () => (hub.seen.some(({ method }) => method === "DELETE") ? true : undefined));
    expect(hub.seen.some(({ url }) => url.includes("/issues"))).toBe(false);
  });

  it("tells the truth in the receipt when GitHub will not take a token back", async () => {
    const { github: hub, agent, token, sessionToken, sessionId } = await start();
    hub.revocationStatus = 403;
    await agent.call(token, "GET", ISSUES);
    const { body } = await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
    expect(claimsOf(String(body["receipt"]))).toMatchObject({
      leases: [{ upstream: "github", fate: { fate: "expires_at", at: expect.any(Number) } }],
    });
  });

  it("tries again until GitHub is back, and then signs the receipt", async () => {
    const { github: hub, world: running, agent, token, sessionToken, sessionId } = await start();
    hub.revocationStatus = 503;
    await agent.call(token, "GET", ISSUES);
    const { body } = await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
    expect(body).toMatchObject({ status: "ended", receipt: null, leases: [{ fate: "pending" }] });
    await sleep(300);
    hub.revocationStatus = 204;
    const receipt = await until("the receipt", async () => {
      const answer = await running.broker.admin("GET", `/admin/sessions/${sessionId}/receipt`);
      return answer.status === 200 ? claimsOf(String(answer.body["receipt"])) : undefined;
    });
    expect(receipt).toMatchObject({ leases: [{ fate: { fate: "revoked" } }] });
  });
});
