import { rmSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { exportJWK, generateKeyPair } from "jose";
import { newProofKey, StintClient } from "../cli/agent-client.ts";
import { adminTokenOf, openDataDirectory } from "../cli/data-directory.ts";
import { workerdConfig } from "../cli/workerd-config.ts";
import { freePort } from "../demo/free-port.ts";
import { ROOT } from "../scripts/build.ts";
import { plainTenant } from "../test/support/plain-tenant.ts";
import { startApprovals } from "./approvals.ts";
import { temporaryDirectory } from "./leftovers.ts";
import { startWorkerd } from "./workerd.ts";

/** As many as one tenant may have: each may ask ten times a minute. */
const AGENTS = 500;
/** Sessions asked for at once. */
const OPENING = 8;
/** How often an agent that asked too often tries again, and how long it waits in between, in milliseconds. */
const ASK_TRIES = 90;
const ASK_PAUSE_MS = 1000;
const SESSION_SECONDS = 7200;

/** A live session, and the client that holds it. */
export interface LiveSession {
  readonly id: string;
  readonly token: string;
  readonly agent: StintClient;
}

/** A broker on plain workerd with data on disk, an upstream, and people who approve. */
export interface World {
  readonly issuer: string;
  readonly port: number;
  readonly upstreamUrl: string;
  readonly dataPath: string;
  /** The broker's process. */
  pid(): number;
  open(count: number): Promise<LiveSession[]>;
  /** Calls the admin API. */
  admin(method: string, path: string, body?: unknown): Promise<Response>;
  /** Starts the broker again over the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** @param bundle the broker's code */
export async function startWorld(bundle: string): Promise<World> {
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const upstream = await startUpstream();
  const approvals = await startApprovals();
  const assertionKeys = await generateKeyPair("ES256", { extractable: true });
  const assertionKey = await exportJWK(assertionKeys.privateKey);
  const agents: StintClient[] = [];
  for (let at = 0; at < AGENTS; at += 1)
    agents.push(new StintClient(issuer, `agent-${at}`, assertionKey, await newProofKey()));
  const directory = openDataDirectory(temporaryDirectory());
  const start = () =>
    startWorkerd(configOf(bundle, directory.path, issuer, port), { dataPath: directory.path, port, env });
  const env = { STINT_KEK: directory.kek, STINT_ADMIN_KEY: directory.adminKey, KEY: "bench-upstream-key", SLACK: "s" };
  let broker = await start();
  const admin = (method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(issuer + path, {
      method,
      headers: {
        authorization: `Bearer ${adminTokenOf(directory.path, issuer)}`,
        "content-type": "application/json",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const document = {
    ...plainTenant({
      issuer,
      agents: agents.map(({ clientId }) => clientId),
      publicJwk: await exportJWK(assertionKeys.publicKey),
      upstreamUrl: upstream.url,
      keySecret: "KEY",
      slack: { url: approvals.url, secret: "SLACK" },
      maxDuration: "2h",
    }),
    limits: { open_requests_per_approver: AGENTS },
  };
  const applied = await admin("POST", "/admin/tenant", document);
  if (!applied.ok) throw new Error(`the tenant document was refused: ${await applied.text()}`);
  let asked = 0;

  async function openOne(agent: StintClient): Promise<LiveSession> {
    for (let tries = 0; tries < ASK_TRIES; tries += 1) {
      const { status, body } = await agent.ask({
        task: { title: "bench" },
        authorization_details: [{ type: "upstream_access", upstream: "api", actions: ["read"] }],
        expires_in: SESSION_SECONDS,
      });
      if (status === 202) {
        await approvals.of(body.session_id);
        const polled = await agent.poll(body.auth_req_id);
        if (polled.status !== 200) throw new Error(JSON.stringify(polled.body));
        return { id: body.session_id, token: String(polled.body["access_token"]), agent };
      }
      if (status !== 429) throw new Error(JSON.stringify(body));
      await sleep(ASK_PAUSE_MS);
    }
    throw new Error("the broker did not take the request in time");
  }

  return {
    issuer,
    port,
    upstreamUrl: upstream.url,
    dataPath: directory.path,
    pid: () => broker.pid,
    admin,
    async open(count) {
      const opened: LiveSession[] = [];
      let left = count;
      await Promise.all(
        Array.from({ length: OPENING }, async () => {
          while (left > 0) {
            left -= 1;
            opened.push(await openOne(agents[asked++ % AGENTS]!));
          }
        }),
      );
      return opened;
    },
    async restart() {
      await broker.stop();
      broker = await start();
    },
    async stop() {
      await broker.stop();
      await upstream.close();
      await approvals.close();
      rmSync(directory.path, { recursive: true, force: true });
    },
  };
}

function configOf(bundle: string, dataPath: string, issuer: string, port: number): string {
  return workerdConfig(ROOT, {
    bundle,
    dataPath,
    host: "127.0.0.1",
    port,
    allowPrivateNetwork: true,
    extraAuthorities: [],
    vars: {
      STINT_ORIGINS: issuer,
      STINT_ENV_SECRETS: JSON.stringify({ [issuer]: ["KEY", "SLACK"] }),
      STINT_ALLOW_PRIVATE_NETWORK: "true",
    },
    secrets: ["STINT_KEK", "STINT_ADMIN_KEY", "KEY", "SLACK"],
  });
}

/** Answers with as many bytes of JSON as `bytes` says; with escapes in it, as APIs answer. */
async function startUpstream(): Promise<{ url: string; close(): Promise<void> }> {
  const item = JSON.stringify({
    id: 7,
    title: 'Fix the "thing"',
    text: "one line\nand another",
    url: "https://x.example",
  });
  const documents = new Map<number, string>();
  const server = createServer((incoming, response) => {
    const bytes = Number(new URL(incoming.url ?? "", "http://x").searchParams.get("bytes") ?? 100);
    const document = documents.get(bytes) ?? item.repeat(Math.ceil(bytes / item.length)).slice(0, bytes);
    documents.set(bytes, document);
    response.writeHead(200, { "content-type": "application/json" }).end(document);
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
