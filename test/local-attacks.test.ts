import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { ROOT } from "../scripts/build.ts";
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

const ECHO = ["--access", "echo:things:read", "--access", "echo:things:write"];

/** A program under an approved session, that says its address and waits until it is let go. */
async function waiting(task: string, then = "true", env: Record<string, string> = {}) {
  const go = join(machine.folder, `go-${task.replaceAll(" ", "-")}`);
  const script = `echo "$STINT_UPSTREAM_ECHO_URL"; while [ ! -e "${go}" ]; do sleep 0.05; done; ${then}`;
  const running = machine.stint(["run", "--task", task, ...ECHO, "--", "sh", "-c", script], env);
  await (await approverOf(world, task)).approve();
  const base = await until("the program", async () => /^http\S+/.exec(running.stdout())?.[0]);
  return { running, base, letGo: () => writeFileSync(go, "") };
}

/** What a server says to bytes that are no request of any library's, until it closes or has answered. */
function raw(base: string, text: (path: string, host: string) => string): Promise<string> {
  const { hostname, port, pathname, host } = new URL(base);
  return new Promise((done) => {
    let said = "";
    const socket = connect(Number(port), hostname, () => socket.write(text(pathname, host)));
    const finish = (): void => {
      socket.destroy();
      done(said);
    };
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1");
      if (said.includes("\r\n\r\n")) setImmediate(finish);
    });
    socket.on("close", finish).on("error", finish);
  });
}

const statusOf = (said: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 0);
const sessionIdOf = ({ stderr }: StintProcess): string => /Session (ses_\S+):/.exec(stderr())?.[1] ?? "";

/** As its own object says: the index of sessions is told a moment later. */
async function stateOf(sessionId: string): Promise<unknown> {
  const { body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}`);
  return body["status"];
}

describe("the endpoint of stint run", () => {
  it("passes on no request that two readers would read as two", async () => {
    const { running, base, letGo } = await waiting("Smuggled");
    world.echo.seen.length = 0;
    const get = (path: string, host: string, more: string, body = "") =>
      `POST ${path}/things HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n\r\n${body}`;
    const smuggled: ((path: string, host: string) => string)[] = [
      (path, host) => get(path, host, "Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\nGET /x"),
      (path, host) => get(path, host, "Content-Length: 4\r\nContent-Length: 5", "abcde"),
      (path, host) => get(path, host, "Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
      (path, host) => get(path, host, "Content-Length: -1"),
      (path, host) => get(path, host, "X-A: b\r\n Authorization: c"),
      (path, host) => get(path, host, "X\u0000A: b"),
      (path, host) => `GET ${path}/things HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\n\r\n`,
      (path) => `GET ${path}/things HTTP/1.1\r\n\r\n`,
      (path) => `GET ${path}/things HTTP/1.0\r\n\r\n`,
      (path, host) => `GET http://${host}${path}/things HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      (path, host) => `GET ${path}/things HTTP/1.1\r\nHost: evil.example@${host}\r\n\r\n`,
      (_, host) => `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      (path, host) => `OPTIONS ${path}/things HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://evil.example\r\n\r\n`,
      (path, host) => `GET ${path}/\u00e9 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      (path, host) => `GET ${path}/things HTTP/1.1\r\nHost: ${host}\r\nX-A: ${"a".repeat(100_000)}\r\n\r\n`,
    ];
    for (const [at, text] of smuggled.entries()) {
      const said = await raw(base, text);
      expect([
        at,
        statusOf(said) === 0 || statusOf(said) >= 400,
        said.toLowerCase().includes("access-control"),
      ]).toEqual([at, true, false]);
    }
    expect(world.echo.seen).toEqual([]);
    expect(statusOf(await raw(base, (path, host) => `GET ${path}/things HTTP/1.1\r\nHost: ${host}\r\n\r\n`))).toBe(200);
    letGo();
    expect(await running.ended).toBe(0);
  });

  it("leads to nothing else of Stint's, however its path is written", async () => {
    const { running, base, letGo } = await waiting("Climbing");
    world.echo.seen.length = 0;
    for (const climbing of [
      "/../../oauth/token",
      "/%2e%2e/github/user",
      "/..%2f..%2fsessions",
      "//things",
      "/things/./1",
    ]) {
      const said = await raw(base, (path, host) => `GET ${path}${climbing} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect([climbing, statusOf(said)]).toEqual([climbing, 400]);
    }
    expect(world.echo.seen).toEqual([]);
    letGo();
    expect(await running.ended).toBe(0);
  });

  it("is one of its own for each of two programs at once", async () => {
    const [one, two] = [await waiting("First of two"), await waiting("Second of two")];
    const swapped = new URL(new URL(two.base).pathname, one.base);
    expect((await fetch(`${one.base}/things`)).status).toBe(200);
    expect((await fetch(`${swapped.href}/things`)).status).toBe(404);
    one.letGo();
    expect(await one.running.ended).toBe(0);
    await expect(fetch(`${one.base}/things`)).rejects.toThrow();
    expect((await fetch(`${two.base}/things`)).status).toBe(200);
    two.letGo();
    expect(await two.running.ended).toBe(0);
  });

  it("is gone for what the program left running behind itself", async () => {
    const mark = join(machine.folder, "daemon");
    const daemon = `(setsid sh -c 'while kill -0 $0 2>/dev/null; do sleep 0.05; done; curl -s -o /dev/null -w "%{http_code}" "$STINT_UPSTREAM_ECHO_URL/things" > ${mark}' $PPID > /dev/null 2>&1 &)`;
    const { running, letGo } = await waiting("Leaves a daemon", daemon);
    world.echo.seen.length = 0;
    letGo();
    expect(await running.ended).toBe(0);
    const said = await until("the daemon", async () => {
      try {
        const text = readFileSync(mark, "utf8");
        return text === "" ? undefined : text;
      } catch {
        return undefined;
      }
    });
    expect(said).toBe("000");
    expect(world.echo.seen).toEqual([]);
  });

  it("is reached past a proxy of the user's, which is told nothing", async () => {
    const call = `curl -sS -o /dev/null -w '%{http_code}' "$STINT_UPSTREAM_ECHO_URL/things"`;
    const proxy = "http://127.0.0.1:9";
    const { running, letGo } = await waiting("Behind a proxy", call, { http_proxy: proxy, all_proxy: proxy });
    letGo();
    expect(await running.ended).toBe(0);
    expect(running.stdout()).toMatch(/200$/);
  });
});

describe("stint run", () => {
  it("ends the session on SIGQUIT, too", async () => {
    const { running } = await waiting("Quit");
    running.child.kill("SIGQUIT");
    expect(await running.ended).toBe(131);
    expect(await stateOf(sessionIdOf(running))).toBe("ended");
  });

  it("says so when Stint is away at the end, and ends as the program did", async () => {
    const call = `curl -sS -o /dev/null -w '%{http_code}' "$STINT_UPSTREAM_ECHO_URL/things"; exit 4`;
    const { running, letGo } = await waiting("Left alone", call);
    await world.broker.kill9();
    letGo();
    expect(await running.ended).toBe(4);
    expect(running.stdout()).toMatch(/50[23]$/);
    expect(running.stderr()).toMatch(/could not be ended; it ends by itself in \d+/);
    await world.broker.restart();
  });
});

describe("stint mcp", () => {
  const host = (env = machine.environment()) => {
    const child = spawn(process.execPath, [join(ROOT, "cli", "main.ts"), "mcp"], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    const said = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => (said.out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (said.err += chunk.toString()));
    child.stdin.on("error", () => undefined);
    const ended = new Promise<number | null>((done) => void child.on("close", (code) => done(code)));
    const send = (id: number, method: string, params: object) =>
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    const answer = (id: number) =>
      until("an answer", async () =>
        said.out
          .split("\n")
          .slice(0, -1)
          .find((line) => (JSON.parse(line) as { id?: unknown }).id === id),
      );
    return { child, said, ended, send, answer };
  };
  const greeting = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } };

  it("ends with all that it holds at a line that is longer than any message", async () => {
    const { child, said, ended, send, answer } = host();
    send(1, "initialize", greeting);
    await answer(1);
    const access = ["echo:things:read"];
    send(2, "tools/call", { name: "request_session", arguments: { task: "A long line", access } });
    const sessionId = /ses_[\w-]+/.exec(await answer(2))?.[0] ?? "";
    expect(await stateOf(sessionId)).toBe("pending");
    child.stdin.write("x".repeat(12 * 1024 * 1024));
    expect(await ended).toBe(0);
    expect(said.err).toMatch(/maximum size/);
    expect(await stateOf(sessionId)).toBe("ended");
  });

  it("says nothing on standard output but messages, whatever it is told", async () => {
    const { child, said, ended, send, answer } = host();
    send(1, "initialize", greeting);
    const odd = [
      "\u001B[2J",
      '{"jsonrpc":"2.0","id":{"a":1},"method":"tools/list"}',
      '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"__proto__"}}',
      '{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"call_upstream","arguments":{"__proto__":{}}}}',
      `{"jsonrpc":"2.0","id":9,"method":"ping","params":{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
      '[{"jsonrpc":"2.0","id":10,"method":"tools/list"}]',
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"request_session"}}',
    ];
    child.stdin.write(`${odd.join("\n")}\n`);
    send(20, "tools/list", {});
    await answer(20);
    child.stdin.end();
    expect(await ended).toBe(0);
    for (const line of said.out.split("\n").filter((text) => text !== ""))
      expect(JSON.parse(line)).toMatchObject({ jsonrpc: "2.0" });
  });

  it("sends no body with a GET, and says that it did not", async () => {
    const { child, ended, send, answer } = host();
    send(1, "initialize", greeting);
    const access = ["echo:things:read"];
    send(2, "tools/call", { name: "request_session", arguments: { task: "A body too many", access } });
    const session_id = /ses_[\w-]+/.exec(await answer(2))?.[0] ?? "";
    await (await approverOf(world, "A body too many")).approve();
    let id = 100;
    await until("the approval", async () => {
      id += 1;
      send(id, "tools/call", { name: "session_state", arguments: { session_id } });
      return (await answer(id)).includes("Active") ? true : undefined;
    });
    world.echo.seen.length = 0;
    const call = { session_id, upstream: "echo", method: "GET", path: "/things", body: { a: 1 } };
    send(3, "tools/call", { name: "call_upstream", arguments: call });
    expect(await answer(3)).toContain("GET and HEAD take no body; nothing was sent.");
    expect(world.echo.seen).toEqual([]);
    child.stdin.end();
    expect(await ended).toBe(0);
  });

  it("ends at once, and takes back what it holds, when its host goes in the middle of a call", async () => {
    const { child, said, ended, send, answer } = host();
    send(1, "initialize", greeting);
    const ask = { task: "Gone in the middle", access: ["echo:things:read"] };
    send(2, "tools/call", { name: "request_session", arguments: ask });
    const session_id = /ses_[\w-]+/.exec(await answer(2))?.[0] ?? "";
    await (await approverOf(world, "Gone in the middle")).approve();
    let id = 100;
    await until("the approval", async () => {
      id += 1;
      send(id, "tools/call", { name: "session_state", arguments: { session_id } });
      return (await answer(id)).includes("Active") ? true : undefined;
    });
    const reached = Promise.withResolvers<void>();
    world.echo.byHand = () => reached.resolve();
    send(3, "tools/call", {
      name: "call_upstream",
      arguments: { session_id, upstream: "echo", method: "GET", path: "/things" },
    });
    await reached.promise;
    child.stdin.end();
    expect(await ended).toBe(0);
    world.echo.byHand = undefined;
    expect(await stateOf(session_id)).toBe("ended");
    expect(said.out).not.toContain('"id":3');
  });

  it("knows nothing of what another host on the same key holds, and leaves it alone when it goes", async () => {
    const [one, other] = [host(), host()];
    const sessions: string[] = [];
    for (const [at, { send, answer }] of [one, other].entries()) {
      send(1, "initialize", greeting);
      const ask = { task: `One key, host ${at}`, access: ["echo:things:read"] };
      send(2, "tools/call", { name: "request_session", arguments: ask });
      sessions.push(/ses_[\w-]+/.exec(await answer(2))?.[0] ?? "");
    }
    const [first = "", second = ""] = sessions;
    other.send(3, "tools/call", { name: "end_session", arguments: { session_id: first } });
    expect(await other.answer(3)).toContain("There is no such session here");
    other.child.stdin.end();
    expect(await other.ended).toBe(0);
    expect([await stateOf(first), await stateOf(second)]).toEqual(["pending", "ended"]);
    one.child.stdin.end();
    expect(await one.ended).toBe(0);
    expect(await stateOf(first)).toBe("ended");
  });

  it("takes no key that others can read, and names none in what it prints", async () => {
    const shared = join(machine.folder, "shared-mcp.jwk");
    writeFileSync(shared, JSON.stringify(world.keys.agent.privateJwk), { mode: 0o640 });
    const { said, ended } = host({ ...machine.environment(), STINT_KEY_FILE: shared });
    expect(await ended).toBe(1);
    expect(said.out).toBe("");
    expect(said.err).toMatch(/chmod 600/);
    expect(said.err).not.toContain(String(world.keys.agent.privateJwk.d));
  });
});
