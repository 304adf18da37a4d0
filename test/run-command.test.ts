import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { agentMachine, approverOf, type AgentMachine, type StintProcess } from "./support/stint-process.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld;
let machine: AgentMachine;
beforeAll(async () => {
  world = await startTestWorld();
  machine = agentMachine(world);
});
afterAll(async () => {
  machine?.remove();
  await world?.close();
});

const GITHUB = ["--access", "github:issues:read@acme/api", "--access", "github:issues:write@acme/api"];
const ECHO = ["--access", "echo:things:read", "--access", "echo:things:write"];

function run(
  task: string,
  access: readonly string[],
  command: readonly string[],
  more: readonly string[] = [],
): StintProcess {
  return machine.stint(["run", "--task", task, ...access, ...more, "--", ...command]);
}

/** Runs a shell script under an approved session. */
async function approved(
  task: string,
  access: readonly string[],
  script: string,
  more: readonly string[] = [],
): Promise<StintProcess> {
  const running = run(task, access, ["sh", "-c", script], more);
  await (await approverOf(world, task)).approve();
  return running;
}

/** A program that waits for a line on the standard input of nobody, until a signal ends it. */
const WAITS = `trap 'exit 9' TERM; echo "$STINT_UPSTREAM_ECHO_URL"; while :; do sleep 0.05; done`;

const sessionIdOf = (stderr: string): string => /Session (ses_\S+):/.exec(stderr)?.[1] ?? "";

/** As its own object says: the index of sessions is told a moment later. */
async function statusOf(sessionId: string): Promise<unknown> {
  const { body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}`);
  return body["status"];
}

describe("stint run", () => {
  it("lends a script with curl what was approved, refuses the rest, takes it back and shows the receipt", async () => {
    const file = join(machine.folder, "receipt.json");
    const script = `
      set -e
      curl -sS "$GITHUB_API_URL/repos/acme/api/issues" > /dev/null
      curl -sS -H "Authorization: Bearer $GITHUB_TOKEN" -d '{"title":"From a script"}' "$GITHUB_API_URL/repos/acme/api/issues"
      curl -sS -o /dev/null -w 'other repository: %{http_code}\n' "$GITHUB_API_URL/repos/acme/web/issues"
      curl -sS -o /dev/null -w 'other operation: %{http_code}\n' -X DELETE "$GITHUB_API_URL/repos/acme/api"
      exit 3`;
    const running = await approved("List and open", GITHUB, script, ["--receipt", file]);
    expect(await running.ended).toBe(3);
    expect(running.stderr()).toMatch(/match code [A-Z0-9]{3}-[A-Z0-9]{3}/);
    expect(running.stdout()).toContain('"title":"From a script"');
    expect(running.stdout()).toContain("other repository: 403");
    expect(running.stdout()).toContain("other operation: 403");
    expect((await world.emulators.issues("acme/api")).map(({ title }) => title)).toContain("From a script");
    expect(running.stderr()).toMatch(/Session ses_\S+: completed; 2 calls, 2 refused/);
    expect(running.stderr()).toMatch(/credential at github: taken back at the upstream/);
    expect(await statusOf(sessionIdOf(running.stderr()))).toBe("ended");
    const verified = machine.stint(["verify", file]);
    expect(await verified.ended).toBe(0);
  });

  it("gives the program no token, no key and nothing of Stint's settings", async () => {
    const script = `env; cat /proc/self/cmdline | tr '\\0' ' '`;
    const running = machine.stint(["run", "--task", "Look around", ...GITHUB, "--", "sh", "-c", script], {
      GITHUB_TOKEN: "ghp_the_users_own",
      STINT_ADMIN_TOKEN: "adm_secret",
      NO_PROXY: "internal.example",
    });
    await (await approverOf(world, "Look around")).approve();
    expect(await running.ended).toBe(0);
    const text = running.stdout();
    expect(text).not.toMatch(/eyJ|ghp_the_users_own|adm_secret|DPoP|STINT_KEY_FILE|STINT_CLIENT_ID|STINT_URL=/);
    expect(text).toMatch(/^GITHUB_API_URL=http:\/\/127\.0\.0\.1:\d+\/[A-Za-z0-9_-]{43}\/github$/m);
    expect(text).toMatch(/^STINT_UPSTREAM_GITHUB_URL=http/m);
    expect(text).toMatch(/^GITHUB_TOKEN=held-by-stint$/m);
    expect(text).toMatch(/^NO_PROXY=internal\.example,127\.0\.0\.1,localhost$/m);
    expect(running.stderr()).not.toMatch(/eyJ/);
  });

  it("ends the session when a signal ends the program, and exits as a shell would", async () => {
    const running = await approved("Told to stop", ECHO, WAITS);
    await until("the program", async () => (running.stdout() === "" ? undefined : true));
    running.child.kill("SIGTERM");
    expect(await running.ended).toBe(9);
    expect(await statusOf(sessionIdOf(running.stderr()))).toBe("ended");
    const interrupted = run("Interrupted", ECHO, ["sh", "-c", "echo up; exec sleep 60"]);
    await (await approverOf(world, "Interrupted")).approve();
    await until("the program", async () => (interrupted.stdout() === "" ? undefined : true));
    interrupted.child.kill("SIGINT");
    expect(await interrupted.ended).toBe(130);
    expect(interrupted.stderr()).toMatch(/: completed;/);
    expect(await statusOf(sessionIdOf(interrupted.stderr()))).toBe("ended");
  });

  it("closes the endpoint with the program: what it left behind reaches nothing", async () => {
    const running = await approved("Leaves an address", ECHO, `echo "$STINT_UPSTREAM_ECHO_URL"`);
    expect(await running.ended).toBe(0);
    await expect(fetch(`${running.stdout().trim()}/things`)).rejects.toThrow();
  });

  it("tells a denial with the approver's word, and runs nothing", async () => {
    const mark = join(machine.folder, "must-not-be");
    const running = run("Not today", ECHO, ["touch", mark]);
    const approver = await approverOf(world, "Not today");
    await approver.view();
    await approver.decide("deny", { comment: "Ask me on Monday" });
    expect(await running.ended).toBe(121);
    expect(running.stderr()).toContain("stint: refused: Ask me on Monday");
    expect(() => readFileSync(mark)).toThrow();
  });

  it("takes the request back when it is interrupted before anybody decided", async () => {
    const running = run("Changed my mind", ECHO, ["true"]);
    const approver = await approverOf(world, "Changed my mind");
    running.child.kill("SIGINT");
    expect(await running.ended).toBe(130);
    expect(running.stderr()).toContain("taken back");
    expect((await approver.approve()).status).not.toBe(200);
  });

  it("says that the session was revoked, to the program and to whoever watches", async () => {
    const script = `echo up; while [ ! -e "${machine.folder}/go" ]; do sleep 0.05; done; curl -sS -w ' %{http_code}' "$STINT_UPSTREAM_ECHO_URL/things"`;
    const running = await approved("Cut short", ECHO, script);
    await until("the program", async () => (running.stdout() === "" ? undefined : true));
    const { body } = await world.broker.admin("GET", "/admin/sessions");
    const sessions = body["sessions"] as { session_id: string; status: string }[];
    const active = sessions.find(({ status }) => status === "active")?.session_id ?? "";
    await world.broker.admin("POST", `/admin/sessions/${active}/revoke`, { reason: "enough" });
    writeFileSync(join(machine.folder, "go"), "");
    expect(await running.ended).toBe(0);
    expect(running.stdout()).toMatch(/stint: the session has ended \(revoked\).*401/s);
    expect(running.stderr()).toContain("the session has ended before the program did: revoked");
    expect(running.stderr()).toMatch(/Session ses_\S+: revoked;/);
  });

  it("streams answers: the program reads what the upstream has written so far", async () => {
    let next: (() => void) | undefined;
    world.echo.byHand = (incoming, outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/plain" });
      outgoing.write("first\n");
      next = () => outgoing.end("last\n");
      incoming.resume();
    };
    try {
      const running = await approved("Streams", ECHO, `curl -sSN "$STINT_UPSTREAM_ECHO_URL/things"`);
      await until("the first part", async () => (running.stdout() === "first\n" ? true : undefined));
      next?.();
      expect(await running.ended).toBe(0);
      expect(running.stdout()).toBe("first\nlast\n");
    } finally {
      world.echo.byHand = undefined;
    }
  });

  it("leads redirects and the next page of a list through the endpoint", async () => {
    const before = world.echo.answer;
    world.echo.answer = ({ url }) => {
      if (url === "/things/1") return { status: 302, headers: { location: "/things/2" } };
      const next = `<${world.echo.url}/things?page=2>; rel="next"`;
      return { status: 200, headers: { link: next, "content-type": "text/plain" }, body: url };
    };
    try {
      const script = `
        curl -sSL "$STINT_UPSTREAM_ECHO_URL/things/1"; echo
        next=$(curl -sS -D - -o /dev/null "$STINT_UPSTREAM_ECHO_URL/things" | sed -n 's/^[Ll]ink: <\\([^>]*\\)>.*/\\1/p')
        curl -sS "$next"`;
      const running = await approved("Turns pages", ECHO, script);
      expect(await running.ended).toBe(0);
      expect(running.stdout()).toBe("/things/2\n/things?page=2");
    } finally {
      world.echo.answer = before;
    }
  });

  it("carries a long body and many calls at once", async () => {
    let bytes = 0;
    world.echo.byHand = (incoming, outgoing) => {
      incoming.on("data", (chunk: Buffer) => (bytes += chunk.length));
      incoming.on("end", () => void outgoing.writeHead(200).end("ok"));
    };
    try {
      const script = `
        head -c 20000000 /dev/zero | curl -sS -T - -X PUT -H 'content-type: application/octet-stream' "$STINT_UPSTREAM_ECHO_URL/things/1" && echo
        for i in $(seq 20); do curl -sS "$STINT_UPSTREAM_ECHO_URL/things" & done; wait`;
      const running = await approved("Much of it", ECHO, script);
      expect(await running.ended).toBe(0);
      expect(running.stdout()).toBe(`ok\n${"ok".repeat(20)}`);
      expect(bytes).toBe(20_000_000);
      expect(running.stderr()).toMatch(/21 calls, 0 refused/);
    } finally {
      world.echo.byHand = undefined;
    }
  });

  it("ends the session when there is no such program, and says how it is to be called", async () => {
    const running = run("Nothing to run", ECHO, ["/nowhere/at-all"]);
    await (await approverOf(world, "Nothing to run")).approve();
    expect(await running.ended).toBe(127);
    expect(running.stderr()).toMatch(/completed;/);
    const wrong: [string[], number, RegExp][] = [
      [["--task", "x", ...ECHO], 2, /a command/],
      [["--task", "x", "--", "true"], 2, /--access/],
      [["--task", "x", "--access", "nonsense", "--", "true"], 2, /neither upstream/],
      [["--task", "x", "--access", "mcp:tickets:open_issue", "--", "true"], 2, /upstreams only/],
      [["--task", "x", ...ECHO, "--for", "soon", "--", "true"], 2, /--for/],
      [["--task", "x", ...ECHO, "--url", "http://localhost:8787/", "--", "true"], 2, /no issuer/],
      [["--task", "x", ...ECHO, "--url", "http://localhost:9", "--", "true"], 125, /no broker answers/],
      [["--task", "x", "--access", "echo:secrets:read", "--", "true"], 125, /no trust policy/],
    ];
    for (const [args, code, words] of wrong) {
      const refused = machine.stint(["run", ...args]);
      expect([await refused.ended, refused.stderr()]).toEqual([code, expect.stringMatching(words)]);
    }
    const shared = join(machine.folder, "shared.jwk");
    writeFileSync(shared, JSON.stringify(world.keys.agent.privateJwk), { mode: 0o644 });
    const garbage = join(machine.folder, "garbage.jwk");
    writeFileSync(garbage, "none", { mode: 0o600 });
    for (const [key, words] of [
      [shared, /can be read by others; run: chmod 600/],
      [join(machine.folder, "none"), /there is no file \S+none; stint keygen/],
      [garbage, /is not a key/],
    ] as const) {
      const refused = machine.stint(["run", "--task", "x", ...ECHO, "--key", key, "--", "true"]);
      expect([await refused.ended, refused.stderr()]).toEqual([1, expect.stringMatching(words)]);
    }
    const helped = machine.stint(["run", "--help"]);
    expect(await helped.ended).toBe(0);
    expect(helped.stdout()).toContain("GITHUB_API_URL");
  });

  it("leaves the program's own --help to the program", async () => {
    const running = run("Help", ECHO, ["sh", "-c", 'echo "$1"', "sh", "--help"]);
    await (await approverOf(world, "Help")).approve();
    expect(await running.ended).toBe(0);
    expect(running.stdout()).toBe("--help\n");
  });
});
