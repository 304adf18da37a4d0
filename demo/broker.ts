import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adminTokenOf } from "../cli/data-directory.ts";
import { ROOT } from "../scripts/build.ts";
import { freePort } from "./free-port.ts";

export interface BrokerOptions {
  /** The tenant documents to serve. Without any there is one tenant without configuration. */
  readonly tenants?: readonly { readonly issuer: string }[];
  /** Where the first tenant's issuer points; a free one unless told. */
  readonly port?: number;
  /** Files of certificate authorities to trust. */
  readonly extraCa?: readonly string[];
  /** The secrets that the documents refer to. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** A broker in processes of its own, started as a user would start it. */
export interface Broker {
  readonly port: number;
  readonly issuer: string;
  readonly dataPath: string;
  readonly output: () => string;
  adminToken(issuer?: string): string;
  /** Calls the admin API of the first tenant. */
  admin(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  /** Ends both processes without a chance to say goodbye. */
  kill9(): Promise<void>;
  /** Starts again over the same data. */
  restart(): Promise<void>;
  /** Ends the broker and removes its data. */
  stop(): Promise<void>;
}

/** Starts `stint serve` over a fresh data directory. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const dataPath = mkdtempSync(join(tmpdir(), "stint-"));
  let output = "";
  const start = async (port: number): Promise<Running> => launch(options, dataPath, port, (text) => (output += text));
  let running = await start(options.port ?? (await freePort()));
  const issuer = options.tenants?.[0]?.issuer ?? `http://localhost:${running.port}`;
  const adminToken = (of = issuer): string => adminTokenOf(dataPath, of);
  return {
    port: running.port,
    issuer,
    dataPath,
    output: () => output,
    adminToken,
    async admin(method, path, body) {
      const response = await fetch(issuer + path, {
        method,
        headers: { authorization: `Bearer ${adminToken()}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    async kill9() {
      process.kill(running.workerdPid, "SIGKILL");
      await end(running, "SIGKILL");
    },
    async restart() {
      running = await start(running.port);
    },
    async stop() {
      await end(running, "SIGTERM");
      rmSync(dataPath, { recursive: true, force: true });
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  readonly port: number;
  readonly workerdPid: number;
}

function launch(
  { tenants = [], secrets = {}, extraCa = [] }: BrokerOptions,
  dataPath: string,
  port: number,
  onOutput: (text: string) => void,
): Promise<Running> {
  const configs = tenants.flatMap((tenant, at) => {
    const file = join(dataPath, `tenant-${at}.json`);
    writeFileSync(file, JSON.stringify(tenant));
    return ["--config", file];
  });
  const args = [
    join(ROOT, "cli", "main.ts"),
    "serve",
    "--json",
    "--allow-private-network",
    "--port",
    String(port),
    "--data",
    dataPath,
    ...configs,
    ...extraCa.flatMap((file) => ["--extra-ca", file]),
  ];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...secrets },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<void>((done) => void child.on("exit", () => done()));
  return new Promise((done, fail) => {
    let seen = "";
    const take = (chunk: unknown): void => {
      onOutput(String(chunk));
      seen += String(chunk);
      const line = seen.split("\n").find((candidate) => candidate.startsWith('{"event":"listening"'));
      if (line === undefined) return;
      const ready = JSON.parse(line) as { port: number; workerd_pid: number };
      done({ child, exited, port: ready.port, workerdPid: ready.workerd_pid });
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("exit", (code) => fail(new Error(`the broker ended with code ${code}:\n${seen}`)));
  });
}

async function end({ child, exited }: Running, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  await exited;
}
