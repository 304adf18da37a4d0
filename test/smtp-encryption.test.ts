import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
import { makeAuthority } from "./support/certificates.ts";
import { startSmtp, type Mailbox, type MailServerOptions } from "./support/smtp.ts";

const COMPATIBILITY_DATE = "2026-10-27";

/** Answers what came of sending one mail; the request's body says by which server. */
const WORKER = `
import { sendBySmtp } from ${JSON.stringify(join(ROOT, "src", "notify", "smtp.ts"))};
const message = {
  from: "stint@acme.example", to: "dana@acme.example", subject: "Stint", text: "text", html: "<p>html</p>",
  messageId: "<k@acme.example>", key: "k",
};
export default {
  async fetch(request) {
    const email = { from: message.from, smtp: await request.json() };
    const readSecret = () => Promise.resolve("smtp-password");
    return Response.json(await sendBySmtp(message, { notify: { email }, allowPrivateNetwork: true, readSecret }));
  },
};
`;

const directory = mkdtempSync(join(tmpdir(), "stint-smtp-"));
/** Plain workerd that trusts the tests' authority, and one that trusts what browsers trust, as \`stint serve\` does. */
const ports = { ours: 0, browsers: 0 };
const authority = await makeAuthority();
const processes: ChildProcess[] = [];
let mailbox: Mailbox | undefined;

beforeAll(async () => {
  writeFileSync(join(directory, "worker.js"), WORKER);
  const built = spawnSync(
    join(ROOT, "node_modules", ".bin", "wrangler"),
    `deploy worker.js --dry-run --outdir dist --name smtp --compatibility-date ${COMPATIBILITY_DATE}`.split(" "),
    { cwd: directory, encoding: "utf8", env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" } },
  );
  if (built.status !== 0) throw new Error(built.stdout + built.stderr);
  for (const [trust, tlsOptions] of [
    ["ours", `(trustedCertificates = [${JSON.stringify(authority.cert)}])`],
    ["browsers", "(trustBrowserCas = true)"],
  ] as const) {
    ports[trust] = await freePort();
    const config = join(directory, `${trust}.capnp`);
    writeFileSync(config, workerd(ports[trust], tlsOptions));
    // Its own words about a refused certificate are expected here, and loud.
    processes.push(spawn(join(ROOT, "node_modules", ".bin", "workerd"), ["serve", config], { stdio: "ignore" }));
    await until("workerd", () =>
      fetch(`http://127.0.0.1:${ports[trust]}`).then(
        () => true,
        () => undefined,
      ),
    );
  }
});
afterEach(() => mailbox?.close());
afterAll(() => {
  for (const child of processes) child.kill();
  rmSync(directory, { recursive: true, force: true });
});

function workerd(port: number, tlsOptions: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .smtp),
    (name = "internet", network = (allow = ["private"], tlsOptions = ${tlsOptions})),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const smtp :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "dist/worker.js")],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  globalOutbound = "internet"
);
`;
}

async function send(trust: keyof typeof ports, security: "tls" | "starttls", tls: MailServerOptions["tls"]) {
  mailbox = await startSmtp({ auth: true, ...(tls === undefined ? {} : { tls }) });
  const smtp = { host: "localhost", port: mailbox.port, security, username: "stint", password: { secret: "P" } };
  const response = await fetch(`http://127.0.0.1:${ports[trust]}`, { method: "POST", body: JSON.stringify(smtp) });
  return { outcome: (await response.json()) as { ok: boolean }, mailbox };
}

describe.each(["tls", "starttls"] as const)("mail by %s", (how) => {
  it("is sent, signed in, to a server whose certificate is good", async () => {
    const sent = await send("ours", how, { how, certificate: await authority.issue("localhost") });
    expect(sent.outcome).toEqual({ ok: true, value: "sent" });
    expect(sent.mailbox.mails).toMatchObject([{ to: ["dana@acme.example"], user: "stint", secure: true }]);
  });

  it.each([
    ["names another host", "ours", "elsewhere.test"],
    ["is from an unknown authority", "browsers", "localhost"],
  ] as const)("keeps password and message when the certificate %s", async (_, trust, name) => {
    const sent = await send(trust, how, { how, certificate: await authority.issue(name) });
    expect(sent.outcome).toMatchObject({ ok: false });
    expect(sent.mailbox.signIns).toEqual([]);
    expect(sent.mailbox.mails).toEqual([]);
  });

  it("keeps password and message when the server is not encrypted", async () => {
    const sent = await send("ours", how, undefined);
    expect(sent.outcome).toMatchObject({ ok: false });
    expect(sent.mailbox.signIns).toEqual([]);
    expect(sent.mailbox.mails).toEqual([]);
  });
});
