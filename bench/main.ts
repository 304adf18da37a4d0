import { Agent, createServer, request } from "node:http";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { ACCESS_TOKEN_TYPE, newProofKey, StintClient, TOKEN_EXCHANGE_GRANT } from "../cli/agent-client.ts";
import { startBroker } from "../demo/broker.ts";
import { freePort } from "../demo/free-port.ts";
import { startLinkSink } from "../demo/link-sink.ts";
import { startPassThrough } from "./pass-through.ts";

const HELP = `Usage: npm run bench [-- --quick]

Measures exchange and proxy on plain workerd with data on disk and a distinct DPoP proof for every
request, made beforehand. Everything runs on this machine, the client included, which takes its share
of the processor.

  --quick  a tenth of the requests
`;

const REQUESTS = 4000;
const QUICK_REQUESTS = 400;
const CONCURRENCIES = [1, 8, 32];
/** Answers of the upstream, in bytes, and for how many of the requests of a run each is asked. */
const BODIES = [
  { bytes: 1000, share: 1 },
  { bytes: 100_000, share: 0.5 },
  { bytes: 20_000_000, share: 0.01 },
];
/** Made once each. */
const documents = new Map<number, string>();

const { values } = parseArgs({ options: { quick: { type: "boolean" }, help: { type: "boolean" } } });
if (values.help === true) process.stdout.write(HELP);
else await bench(values.quick === true ? QUICK_REQUESTS : REQUESTS);

async function bench(requests: number): Promise<void> {
  const issuer = `http://localhost:${await freePort()}`;
  const upstream = createServer((incoming, response) => {
    const bytes = Number(new URL(incoming.url ?? "", "http://x").searchParams.get("bytes") ?? 0);
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(bytes === 0 ? '{"ok":true}' : documentOf(bytes));
  });
  await new Promise<void>((done) => void upstream.listen(0, "127.0.0.1", done));
  const address = upstream.address();
  const upstreamUrl = `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`;
  const sink = await startLinkSink();
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const key = await exportJWK(privateKey);
  const document = tenantDocument(issuer, await exportJWK(publicKey), upstreamUrl, sink.url);
  const broker = await startBroker({
    tenants: [document],
    port: Number(new URL(issuer).port),
    secrets: { KEY: "bench-upstream-key", SLACK: "s" },
  });
  try {
    const agent = new StintClient(issuer, "bench", key, await newProofKey());
    const sessionToken = await openSession(agent, sink, issuer);
    const proxyToken = String((await agent.exchange(sessionToken, `${issuer}/proxy/api`)).body["access_token"]);
    process.stdout.write(
      `${cpus().length} processors, ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}; ${requests} requests each\n\n`,
    );
    process.stdout.write("what       at once   requests/s   p50 ms   p95 ms   p99 ms\n");
    for (const concurrency of CONCURRENCIES) {
      await measure("exchange", concurrency, requests, await exchanges(agent, sessionToken, requests));
    }
    for (const concurrency of CONCURRENCIES) {
      await measure("proxy", concurrency, requests, await calls(agent, proxyToken, requests));
    }
    const bare = await startPassThrough(upstreamUrl);
    process.stdout.write("\nanswers of a size, beside a worker that only passes them on\n");
    for (const { bytes, share } of BODIES) {
      const count = Math.max(4, requests * share);
      const path = `/things?bytes=${bytes}`;
      const passed = { port: bare.port, method: "GET", path, headers: {} };
      await measure(
        `bare ${sizeOf(bytes)}`,
        1,
        count,
        Array.from({ length: count }, () => passed),
      );
      await measure(`proxy ${sizeOf(bytes)}`, 1, count, await calls(agent, proxyToken, count, path));
    }
    bare.stop();
  } finally {
    await broker.stop();
    upstream.close();
    await sink.close();
  }
}

interface Prepared {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

async function exchanges(agent: StintClient, sessionToken: string, count: number): Promise<Prepared[]> {
  const body = new URLSearchParams({
    grant_type: TOKEN_EXCHANGE_GRANT,
    subject_token: sessionToken,
    subject_token_type: ACCESS_TOKEN_TYPE,
    resource: `${agent.issuer}/proxy/api`,
  }).toString();
  const nonce = (await agent.exchange(sessionToken, `${agent.issuer}/proxy/api`)).headers.get("dpop-nonce") ?? "";
  const make = async (): Promise<Prepared> => ({
    port: Number(new URL(agent.issuer).port),
    method: "POST",
    path: "/oauth/token",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      dpop: await agent.proof("POST", `${agent.issuer}/oauth/token`, nonce),
    },
    body,
  });
  return prepare(count, make);
}

/** A document of JSON with escapes in it, as APIs answer. */
function documentOf(bytes: number): string {
  const item = JSON.stringify({
    id: 7,
    title: 'Fix the "thing"',
    text: "one line\nand another",
    url: "https://x.example/7",
  });
  let text = documents.get(bytes);
  if (text === undefined) documents.set(bytes, (text = item.repeat(Math.ceil(bytes / item.length)).slice(0, bytes)));
  return text;
}

function sizeOf(bytes: number): string {
  return bytes < 1_000_000 ? `${bytes / 1000} KB` : `${bytes / 1_000_000} MB`;
}

async function calls(agent: StintClient, token: string, count: number, path = "/things"): Promise<Prepared[]> {
  const nonce = (await agent.call(token, "GET", "/proxy/api/things")).headers.get("dpop-nonce") ?? "";
  const make = async (): Promise<Prepared> => ({
    port: Number(new URL(agent.issuer).port),
    method: "GET",
    path: `/proxy/api${path}`,
    headers: {
      authorization: `DPoP ${token}`,
      dpop: await agent.proof("GET", `${agent.issuer}/proxy/api/things`, nonce, token),
    },
  });
  return prepare(count, make);
}

async function prepare(count: number, make: () => Promise<Prepared>): Promise<Prepared[]> {
  const prepared: Prepared[] = [];
  for (let at = 0; at < count; at += 1) prepared.push(await make());
  return prepared;
}

async function measure(what: string, concurrency: number, count: number, prepared: readonly Prepared[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const times: number[] = [];
  let next = 0;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < count) {
        const one = prepared[next++];
        if (one === undefined) return;
        const start = performance.now();
        const status = await send(one, agent);
        if (status !== 200) throw new Error(`${what} answered ${status}`);
        times.push(performance.now() - start);
      }
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  const percentile = (p: number): string =>
    (times[Math.min(times.length - 1, Math.floor(times.length * p))] ?? 0).toFixed(1).padStart(7);
  process.stdout.write(
    `${what.padEnd(12)}${String(concurrency).padStart(6)}${(count / seconds).toFixed(0).padStart(13)}  ${percentile(0.5)}  ${percentile(0.95)}  ${percentile(0.99)}\n`,
  );
}

function send({ port, method, path, headers, body }: Prepared, agent: Agent): Promise<number> {
  return new Promise((done, fail) => {
    const sent = request(
      { host: "127.0.0.1", port, method, path, agent, headers: { ...headers, host: `localhost:${port}` } },
      (response) => {
        response.resume();
        response.on("end", () => done(response.statusCode ?? 0));
      },
    );
    sent.on("error", fail);
    sent.end(body);
  });
}

async function openSession(
  agent: StintClient,
  sink: Awaited<ReturnType<typeof startLinkSink>>,
  issuer: string,
): Promise<string> {
  const asked = await agent.ask({
    task: { title: "bench" },
    authorization_details: [{ type: "upstream_access", upstream: "api", actions: ["read"] }],
    expires_in: 3600,
  });
  if (asked.status !== 202) throw new Error(JSON.stringify(asked.body));
  await sink.approve(issuer);
  const { access_token } = (await agent.poll(asked.body.auth_req_id)).body;
  return String(access_token);
}

function tenantDocument(issuer: string, publicJwk: JWK, upstreamUrl: string, slackUrl: string) {
  return {
    issuer,
    agents: [{ client_id: "bench", name: "Bench", owner: "sam", jwks: { keys: [publicJwk] } }],
    people: [
      { id: "dana", name: "Dana", roles: ["approver"], slack: "U000000001" },
      { id: "sam", name: "Sam" },
    ],
    upstreams: [
      {
        id: "api",
        connector: "api_key",
        base_url: upstreamUrl,
        api_key: { secret: "KEY" },
        catalogue: { operations: { read: { access: "read", title: "Read", routes: ["GET /things"] } } },
      },
    ],
    policies: [
      { id: "p", agents: ["bench"], allow: ["api:read"], max_duration: "2h", approvers: ["dana"], assurance: "link" },
    ],
    notify: { slack: { token: { secret: "SLACK" }, base_url: slackUrl } },
  };
}
