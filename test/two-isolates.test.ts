import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ACCESS_TOKEN_TYPE, newProofKey, StintClient, TOKEN_EXCHANGE_GRANT } from "../cli/agent-client.ts";
import { callAdmin } from "../cli/admin-client.ts";
import { openDataDirectory } from "../cli/data-directory.ts";
import { workerdConfig } from "../cli/workerd-config.ts";
import { freePort } from "../demo/free-port.ts";
import { until } from "../demo/until.ts";
import { buildWorker, ROOT } from "../scripts/build.ts";
import { startLinkSink, type LinkSink } from "./support/link-sink.ts";
import { plainTenant } from "./support/plain-tenant.ts";

/** Two isolates of the worker over the same objects, as two of a network's machines are: each on a port of its own. */
let workerd: ChildProcess;
let ports: [number, number];
let issuer: string;
let dataPath: string;
let sink: LinkSink;
let bot: StintClient;
let session: { id: string; token: string };

beforeAll(async () => {
  ports = [await freePort(), await freePort()];
  issuer = `http://localhost:${ports[0]}`;
  sink = await startLinkSink();
  dataPath = mkdtempSync(join(tmpdir(), "stint-twins-"));
  const { kek, adminKey } = openDataDirectory(dataPath);
  const config = workerdConfig(ROOT, {
    bundle: buildWorker(),
    dataPath,
    host: "127.0.0.1",
    port: ports[0],
    allowPrivateNetwork: true,
    extraAuthorities: [],
    vars: {
      STINT_ORIGINS: issuer,
      STINT_ENV_SECRETS: JSON.stringify({ [issuer]: ["KEY"] }),
      STINT_ALLOW_PRIVATE_NETWORK: "true",
      KEY: "k",
    },
    secrets: ["STINT_KEK", "STINT_ADMIN_KEY"],
  });
  writeFileSync(join(dataPath, "workerd.capnp"), withTwin(config, ports[1]));
  workerd = spawn(join(ROOT, "node_modules", ".bin", "workerd"), ["serve", join(dataPath, "workerd.capnp")], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", STINT_KEK: kek, STINT_ADMIN_KEY: adminKey },
  });
  await until("workerd", async () => (await fetch(`${issuer}/healthz`).catch(() => undefined))?.ok);
  const key = await generateKeyPair("ES256", { extractable: true });
  const document = plainTenant({
    issuer,
    agents: ["bot"],
    publicJwk: await exportJWK(key.publicKey),
    upstreamUrl: sink.url,
    keySecret: "KEY",
    slack: { url: sink.url, secret: "KEY" },
  });
  await callAdmin({ url: issuer, data: dataPath }, "POST", "/admin/tenant", document);
  bot = new StintClient(issuer, "bot", await exportJWK(key.privateKey), await newProofKey());
  const asked = await bot.ask({
    task: { title: "x" },
    authorization_details: [{ type: "upstream_access", upstream: "api", actions: ["read"] }],
    expires_in: 600,
  });
  await sink.approve(issuer);
  session = { id: asked.body.session_id, token: String((await bot.poll(asked.body.auth_req_id)).body["access_token"]) };
});
afterAll(async () => {
  const ended = new Promise((done) => workerd?.once("exit", done));
  workerd?.kill("SIGKILL");
  await ended;
  await sink?.close();
  rmSync(dataPath, { recursive: true, force: true });
});

/** A second worker of the same code, whose objects are the first one's. */
function withTwin(config: string, port: number): string {
  const [head = "", worker = ""] = config.split("const stint :Workerd.Worker = (");
  const twin = worker
    .replaceAll(
      /durableObjectNamespace = \(className = ("\w+")\)/g,
      'durableObjectNamespace = (className = $1, serviceName = "main")',
    )
    .replace(/ {2}durableObjectNamespaces = \[[^\]]*\],\n/, "")
    .replace(/ {2}durableObjectStorage = [^\n]*\n/, "");
  return `${head
    .replace('(name = "main", worker = .stint),', '(name = "main", worker = .stint), (name = "twin", worker = .twin),')
    .replace(
      'service = "main")]',
      `service = "main"), (name = "other", address = "127.0.0.1:${port}", http = (), service = "twin")]`,
    )}const stint :Workerd.Worker = (${worker}
const twin :Workerd.Worker = (${twin}`;
}

/** Sends a form to one of the two; both are the same issuer. */
function post(port: number, path: string, headers: Record<string, string>, fields: Record<string, string>) {
  return new Promise<{ status: number; body: Record<string, unknown> }>((done, fail) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        headers: { ...headers, host: new URL(issuer).host, "content-type": "application/x-www-form-urlencoded" },
      },
      (incoming) => {
        let text = "";
        incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
        incoming.on("end", () =>
          done({
            status: incoming.statusCode ?? 0,
            body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
          }),
        );
      },
    );
    sent.on("error", fail);
    sent.end(new URLSearchParams(fields).toString());
  });
}

const exchange = (port: number, dpop: string) =>
  post(
    port,
    "/oauth/token",
    { dpop },
    {
      grant_type: TOKEN_EXCHANGE_GRANT,
      subject_token: session.token,
      subject_token_type: ACCESS_TOKEN_TYPE,
      resource: `${issuer}/proxy/api`,
    },
  );
const proof = async () => {
  const nonce = (await bot.exchange(session.token, `${issuer}/proxy/api`)).headers.get("dpop-nonce") ?? "";
  return bot.proof("POST", `${issuer}/oauth/token`, nonce);
};

describe("two isolates of one broker (Z08)", () => {
  it("Z08 D19 take one proof once between them, of fifty at once", async () => {
    expect((await exchange(ports[1], await proof())).status).toBe(200);
    const dpop = await proof();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => exchange(ports[at % 2]!, dpop)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body["error"] === "invalid_dpop_proof")).toHaveLength(49);
  });

  it("Z08 J27 take one assertion once between them", async () => {
    const assertion = await bot.assertion();
    const ask = (port: number) => post(port, "/oauth/introspect", {}, { token: session.token, ...assertion });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => ask(ports[at % 2]!)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(19);
  });

  it("FV refuse at both what was revoked at one, as soon as that returned", async () => {
    const [one, two] = [await proof(), await proof()];
    await post(ports[1], "/oauth/revoke", {}, { token: session.token, ...(await bot.assertion()) });
    expect((await exchange(ports[0], one)).body).toMatchObject({ error: "invalid_request" });
    expect((await exchange(ports[1], two)).body).toMatchObject({ error: "invalid_request" });
  });
});
