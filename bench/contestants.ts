import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { newProofKey, StintClient } from "../cli/agent-client.ts";
import { freePort } from "../demo/free-port.ts";
import { leave, temporaryDirectory } from "./leftovers.ts";
import { prepare, type Prepared } from "./load.ts";
import { bundleWorker, startWorker } from "./workerd.ts";

const START_DEADLINE_MS = 10_000;

/** Somebody else who issues tokens, measured beside the broker. */
export interface Contestant {
  /** Makes so many requests for a token, each with a proof of its own where proofs are asked for. */
  readonly prepare: (count: number) => Promise<Prepared[]>;
  readonly stop: () => Promise<void>;
}

/** The least that a broker must do, in the same workerd: `workers/floor.ts`. */
export async function startFloor(): Promise<Contestant> {
  const worker = await startWorker(bundleWorker("floor"), { objects: ["Floor"] });
  return { prepare: proving(`http://localhost:${worker.port}`, "/token", {}), stop: worker.stop };
}

/** oidc-provider: client credentials, DPoP, JWT; in memory, or on a database that commits durably. */
export async function startOidcProvider(store: "memory" | "sqlite"): Promise<Contestant> {
  const port = await freePort();
  const directory = temporaryDirectory();
  const file = join(import.meta.dirname, "peers", "oidc-provider.ts");
  const database = store === "sqlite" ? [join(directory, "oidc-provider.sqlite")] : [];
  // It warns at length that plain http is for tests only, which this is.
  const child = spawn(process.execPath, ["--no-warnings", file, String(port), ...database], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  const exited = new Promise<void>((done) => void child.on("exit", () => done()));
  leave(() => child.kill("SIGTERM"));
  const issuer = `http://localhost:${port}`;
  await answering(`${issuer}/.well-known/openid-configuration`);
  return {
    prepare: proving(issuer, "/token", {
      grant_type: "client_credentials",
      client_id: "bench",
      client_secret: "a-client-secret-of-32-characters!",
      scope: "read",
    }),
    async stop() {
      if (child.exitCode === null) child.kill("SIGTERM");
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Cloudflare's OAuth provider on its own store, a KV namespace (Miniflare's, on disk). It knows neither
 * DPoP nor JWTs. A token exchange is the cheapest token it issues: one write, where a refresh makes two.
 */
export async function startWorkersOAuthProvider(): Promise<Contestant> {
  const port = await freePort();
  const directory = temporaryDirectory();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: readFileSync(bundleWorker("workers-oauth-provider"), "utf8"),
      compatibilityDate: "2026-10-27",
      compatibilityFlags: ["global_fetch_strictly_public"],
      kvNamespaces: ["OAUTH_KV"],
      kvPersist: directory,
      // Miniflare's own way in costs every request a second worker; this one does not.
      unsafeDirectSockets: [{ host: "127.0.0.1", port }],
    }),
  );
  await miniflare.ready;
  const issuer = `http://localhost:${port}`;
  const call = async (path: string, form?: Record<string, string>): Promise<Record<string, string>> => {
    const sent = form === undefined ? {} : { method: "POST", body: new URLSearchParams(form) };
    const answer = await fetch(issuer + path, sent);
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, string>;
  };
  const { client_id = "" } = await call("/seed");
  const verifier = randomBytes(32).toString("base64url");
  const redirect_uri = `${issuer}/callback`;
  const query = new URLSearchParams({
    response_type: "code",
    client_id,
    redirect_uri,
    scope: "read",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const { code = "" } = await call(`/authorize?${query}`);
  const { access_token = "" } = await call("/token", {
    grant_type: "authorization_code",
    client_id,
    code,
    redirect_uri,
    code_verifier: verifier,
  });
  const body = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    client_id,
    subject_token: access_token,
    subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
  }).toString();
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return {
    prepare: async (count) => prepare(count, async () => ({ port, method: "POST", path: "/token", headers, body })),
    async stop() {
      await miniflare.dispose();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Requests that are the same but for their proofs. */
function proving(
  issuer: string,
  path: string,
  form: Readonly<Record<string, string>>,
): (count: number) => Promise<Prepared[]> {
  const port = Number(new URL(issuer).port);
  const body = new URLSearchParams(form).toString();
  return async (count) => {
    const key = await newProofKey();
    const client = new StintClient(issuer, "bench", key.publicJwk, key);
    return prepare(count, async () => ({
      port,
      method: "POST",
      path,
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        dpop: await client.proof("POST", issuer + path),
      },
      body,
    }));
  };
}

async function answering(url: string): Promise<void> {
  for (let waited = 0; waited < START_DEADLINE_MS; waited += 25) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok === true) return;
    await sleep(25);
  }
  throw new Error(`${url} did not come up in time`);
}
