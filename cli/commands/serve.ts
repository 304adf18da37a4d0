import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { buildWorker, ROOT } from "../../scripts/build.ts";
import { secretNames } from "../../src/domain/secret-names.ts";
import { callAdmin, DEFAULT_DATA } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { openDataDirectory, type DataDirectory } from "../data-directory.ts";
import { lockDirectory } from "../lock.ts";
import { readTenantFile, type TenantFile } from "../tenant-file.ts";
import { workerdConfig } from "../workerd-config.ts";
import { formatApply, type ApplyAnswer } from "./apply.ts";

const DEFAULT_PORT = 8787;
const START_DEADLINE_MS = 20_000;

export const serveCommand: Command = {
  summary: "run a broker on this machine",
  help: `Usage: stint serve [options]

Runs the broker on plain workerd, with all it stores in one directory. No Cloudflare account is
needed. The first start makes the directory and its keys; later ones find everything as it was.

  --port N                 where to listen (default ${DEFAULT_PORT}; 0 takes a free one)
  --host ADDRESS           on which address (default 127.0.0.1)
  --data DIR               where to keep everything (default ${DEFAULT_DATA}); back up DIR/kek with it
  --config TENANT.json     a tenant to serve, applied at the start; may be given several times.
                           Secrets it refers to are read from the environment, by their names.
  --allow-private-network  lets upstreams, Slack and mail be on loopback or private networks
                           (emulators, private instances). Not for production.
  --extra-ca FILE          a certificate authority (PEM) to trust beside those that browsers trust, for
                           private instances; may be given several times
  --json                   print one line of JSON when ready, for programs
`,

  async run(args) {
    const { values } = parseArgs({
      args,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        data: { type: "string" },
        config: { type: "string", multiple: true },
        "allow-private-network": { type: "boolean" },
        "extra-ca": { type: "string", multiple: true },
        json: { type: "boolean" },
      },
    });
    const host = values.host ?? "127.0.0.1";
    const port = await choosePort(values.port ?? String(DEFAULT_PORT), host);
    const tenants = (values.config ?? []).map(readTenantFile);
    const issuers = tenants.length === 0 ? [`http://localhost:${port}`] : tenants.map(({ issuer }) => issuer);
    const bundle = buildWorker();
    const directory = openDataDirectory(resolve(values.data ?? DEFAULT_DATA));
    const lock = await lockDirectory(directory.path);
    let workerd: ChildProcess | undefined;
    try {
      workerd = startWorkerd(directory, {
        bundle,
        host,
        port,
        issuers,
        tenants,
        allowPrivateNetwork: values["allow-private-network"] === true,
        extraAuthorities: (values["extra-ca"] ?? []).flatMap(readAuthorities),
      });
      lock.setWorkerd(workerd.pid ?? 0);
      const ended = endOf(workerd);
      await Promise.race([
        ready(host, port),
        ended.then(({ code }) =>
          Promise.reject(new CliError(`workerd ended with code ${code}; its own words stand above`)),
        ),
      ]);
      await Promise.all(issuers.map((issuer) => checkTenant(issuer, port, directory.path)));
      for (const tenant of tenants) await applyAtStart(tenant, port, directory.path, values.json === true);
      announce({ json: values.json === true, issuers, host, port, directory, tenants, workerd });
      const { code, wanted } = await ended;
      return wanted ? 0 : (code ?? 1);
    } finally {
      workerd?.kill("SIGTERM");
      lock.release();
    }
  },
};

interface Start {
  readonly bundle: string;
  readonly host: string;
  readonly port: number;
  readonly issuers: readonly string[];
  readonly tenants: readonly TenantFile[];
  readonly allowPrivateNetwork: boolean;
  readonly extraAuthorities: readonly string[];
}

/** The certificates in a PEM file. */
function readAuthorities(file: string): string[] {
  const found = existsSync(file)
    ? readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
    : null;
  if (found === null) throw new CliError(`--extra-ca ${file}: there is no file with certificates in PEM`, 2);
  return found;
}

function startWorkerd(
  directory: DataDirectory,
  { bundle, host, port, issuers, tenants, allowPrivateNetwork, extraAuthorities }: Start,
): ChildProcess {
  const named = Object.fromEntries(
    tenants.map(({ issuer, document }) => [issuer, [...new Set(secretNames(document))]]),
  );
  const present = [...new Set(Object.values(named).flat())].filter(
    (name) => !name.startsWith("STINT_") && (process.env[name] ?? "") !== "",
  );
  const config = workerdConfig(ROOT, {
    bundle,
    dataPath: directory.path,
    host,
    port,
    allowPrivateNetwork,
    extraAuthorities,
    vars: {
      STINT_ORIGINS: issuers.join(" "),
      STINT_ENV_SECRETS: JSON.stringify(named),
      STINT_ALLOW_PRIVATE_NETWORK: String(allowPrivateNetwork),
    },
    secrets: ["STINT_KEK", "STINT_ADMIN_KEY", ...(directory.oldKek === undefined ? [] : ["STINT_KEK_OLD"]), ...present],
  });
  const file = join(directory.path, "workerd.capnp");
  writeFileSync(file, config, { mode: 0o600 });
  return spawn(join(ROOT, "node_modules", ".bin", "workerd"), ["serve", file], {
    stdio: ["ignore", "inherit", "inherit"],
    // Only what the worker needs: a secret of somebody else's in our environment stays here.
    env: {
      PATH: process.env["PATH"] ?? "",
      STINT_KEK: directory.kek,
      ...(directory.oldKek === undefined ? {} : { STINT_KEK_OLD: directory.oldKek }),
      STINT_ADMIN_KEY: directory.adminKey,
      ...Object.fromEntries(present.map((name) => [name, process.env[name]])),
    },
  });
}

/** How workerd ends: by itself, or because we were told to stop. */
function endOf(workerd: ChildProcess): Promise<{ code: number | null; wanted: boolean }> {
  let wanted = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      wanted = true;
      workerd.kill("SIGTERM");
    });
  }
  return new Promise((done) => {
    workerd.on("exit", (code) => done({ code, wanted }));
    workerd.on("error", () => done({ code: 1, wanted: false }));
  });
}

async function ready(host: string, port: number): Promise<void> {
  for (let waited = 0; waited < START_DEADLINE_MS; waited += 25) {
    const response = await fetch(`http://${host}:${port}/healthz`).catch(() => undefined);
    if (response?.ok === true) return;
    await sleep(25);
  }
  throw new CliError("the broker did not come up in time");
}

/** Looks whether the tenant's data opens under the key that is there. */
async function checkTenant(issuer: string, port: number, data: string): Promise<void> {
  await callAdmin({ url: issuer, data, viaPort: port }, "GET", "/admin/tenant").catch((fault: Error) => {
    throw new CliError(
      `the data in ${data} does not open for ${issuer}; the broker's log above says why (${fault.message})`,
    );
  });
}

/** Applies a tenant's document as `stint apply` does. Its issuer may be a name that only a proxy in front of us answers to, so we ask ourselves. */
async function applyAtStart(
  { issuer, document, path }: TenantFile,
  port: number,
  data: string,
  quiet: boolean,
): Promise<void> {
  const answer = await callAdmin<ApplyAnswer>({ url: issuer, data, viaPort: port }, "POST", "/admin/tenant", document);
  if (!quiet) process.stdout.write(`${path}:\n${formatApply(answer, false)}`);
}

interface Running {
  readonly json: boolean;
  readonly issuers: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly directory: DataDirectory;
  readonly tenants: readonly TenantFile[];
  readonly workerd: ChildProcess;
}

function announce({ json, issuers, host, port, directory, tenants, workerd }: Running): void {
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ event: "listening", issuers, port, pid: process.pid, workerd_pid: workerd.pid })}\n`,
    );
    return;
  }
  const next =
    tenants.length === 0
      ? `It serves one tenant that nobody is in yet. Write a tenant document (README.md has one to begin with), with
"issuer": "${issuers[0]}", and apply it:  npm run stint -- apply tenant.json --data ${directory.path}`
      : `Agents ask at POST ${issuers[0]}/sessions. What goes on:  npm run stint -- sessions --url ${issuers[0]} --data ${directory.path}`;
  process.stdout.write(`Stint listens on http://${host}:${port} for ${issuers.join(", ")}
Everything is kept in ${directory.path}; back it up with its kek, without which nothing in it opens.
${next}
Ctrl-C stops it.
`);
}

async function choosePort(text: string, host: string): Promise<number> {
  const port = Number(text);
  if (!/^[0-9]{1,5}$/.test(text) || port > 65_535)
    throw new CliError(`--port must be a number up to 65535, not "${text}"`, 2);
  const server = createServer();
  return new Promise((done, fail) => {
    server.once("error", (fault: NodeJS.ErrnoException) => {
      fail(
        new CliError(
          fault.code === "EADDRINUSE"
            ? `port ${port} is in use; stop what listens there, or choose another with --port`
            : `cannot listen on ${host}:${port} (${fault.code})`,
        ),
      );
    });
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : port));
    });
  });
}
