import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";
import { receiptOf } from "./support/lending.ts";
import { startTokenEndpoint, tokenReply, type TokenEndpoint } from "./support/token-endpoint.ts";
import { approvedSession, startTestWorld, type TestWorld } from "./support/world.ts";

const page = readFileSync(join(ROOT, "docs", "adding-an-upstream.md"), "utf8");

/** A block of the page, as it stands there. */
function block(name: string): string {
  const found = new RegExp(`\`\`\`(?:json|http) ${name}\n([^]*?)\`\`\``).exec(page)?.[1];
  if (found === undefined) throw new Error(`the page has no block ${name}`);
  return found;
}

let endpoint: TokenEndpoint;
let world: TestWorld;
let folder: string;
beforeAll(async () => {
  endpoint = await startTokenEndpoint();
  world = await startTestWorld();
  folder = mkdtempSync(join(tmpdir(), "stint-page-"));
});
afterAll(async () => {
  await world?.close();
  await endpoint?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the command line as an operator does; throws with its own words when it fails. */
async function stint(args: string[], input = ""): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, "cli", "main.ts"), ...args, "--data", world.broker.dataPath]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(input);
  const code = await new Promise((done) => child.on("exit", done));
  if (code !== 0) throw new Error(output);
}

/** Follows the page's steps for one of its examples, up to the call. Only the addresses are other ones: loopback. */
async function follow(example: string, addresses: Record<string, string>, secret?: [name: string, value: string]) {
  const text = Object.entries(addresses).reduce(
    (changed, [theirs, ours]) => changed.replaceAll(theirs, ours),
    block(`${example}-upstream`),
  );
  const { upstreams, policies, ...rest } = world.document as { upstreams: object[]; policies: { allow: string[] }[] };
  const file = join(folder, `${example}.json`);
  const allow = JSON.parse(block(`${example}-allow`)) as string[];
  writeFileSync(
    file,
    JSON.stringify({
      ...rest,
      upstreams: [...upstreams, JSON.parse(text)],
      policies: policies.map((policy) => ({ ...policy, allow: [...policy.allow, ...allow] })),
    }),
  );
  if (secret !== undefined) await stint(["secrets", "set", secret[0], "--url", world.issuer], secret[1]);
  await stint(["apply", file, "--dry-run"]);
  await stint(["apply", file]);
  const session = await approvedSession(world, { authorization_details: JSON.parse(block(`${example}-access`)) });
  const [method = "", path = ""] = block(`${example}-call`).trim().split(" ");
  const token = await session.proxyToken(path.split("/")[2]);
  endpoint.called.length = 0;
  const answer = await session.agent.call(token, method, path);
  expect(answer.status).toBe(200);
  return {
    called: endpoint.called[0]!,
    async end() {
      await session.agent.call(session.sessionToken, "POST", `/sessions/${session.sessionId}/end`);
      return receiptOf(world, session.sessionId);
    },
  };
}

describe("docs/adding-an-upstream.md, followed to the letter", () => {
  it("adds an upstream with OAuth 2", async () => {
    endpoint.reply = ({ path }) => (path === "/oauth/token" ? tokenReply({ scope: "contacts.read" }) : { body: "" });
    const { called, end } = await follow(
      "oauth2",
      { "https://api.crm.example/v1": `${endpoint.url}/api`, "https://login.crm.example": endpoint.url },
      ["CRM_CLIENT_SECRET", "crm-secret"],
    );
    expect(called).toMatchObject({ url: "/api/contacts?page=2", headers: { authorization: "Bearer at-good" } });
    expect(endpoint.asked[0]).toMatchObject({
      path: "/oauth/token",
      form: { grant_type: "client_credentials", scope: "contacts.read" },
    });
    expect(await end()).toMatchObject({ leases: [{ fate: { fate: "revoked" } }] });
    expect(endpoint.asked.at(-1)).toMatchObject({ path: "/oauth/revoke", form: { token: "at-good" } });
  });

  it("adds an upstream with a key", async () => {
    const { called, end } = await follow("key", { "https://api.weather.example": `${endpoint.url}/api` }, [
      "WEATHER_API_KEY",
      "w-key",
    ]);
    expect(called.url).toBe("/api/forecast/Lisbon?days=3&appid=w-key");
    expect(called.headers.authorization).toBeUndefined();
    expect(await end()).toMatchObject({ leases: [{ fate: { fate: "irrevocable" } }] });
  });

  it("adds an upstream with a JWT", async () => {
    const { called } = await follow("jwt", { "https://orders.internal.example/api": `${endpoint.url}/api` });
    const token = /^DPoP (.+)$/.exec(called.headers.authorization ?? "")?.[1] ?? "";
    const keys = createRemoteJWKSet(new URL(`${world.issuer}/oauth/jwks`));
    const { payload } = await jwtVerify(token, keys, { issuer: world.issuer, audience: "orders", typ: "at+jwt" });
    expect(payload).toMatchObject({ scope: "orders:read", cnf: { jkt: expect.any(String) as string } });
    expect(called.headers["dpop"]).toEqual(expect.any(String));
  });
});
