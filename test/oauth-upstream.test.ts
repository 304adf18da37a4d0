import { generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { auditRows } from "./support/audit-rows.ts";
import { CRM_SECRET, startAuthorizationServer, type AuthorizationServer } from "./support/authorization-server.ts";
import { lend, THINGS, withUpstreams } from "./support/lending.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicJwk = { ...publicKey.export({ format: "jwk" }), kid: "stint-key-1", alg: "ES256", use: "sig" };

let server: AuthorizationServer;
let world: TestWorld;
beforeAll(async () => {
  server = await startAuthorizationServer(publicJwk as never);
  const base = { connector: "oauth2", base_url: `${server.issuer}/api`, catalogue: THINGS };
  world = await startTestWorld({
    adjust: (document) =>
      withUpstreams(document, [
        {
          ...base,
          id: "crm",
          grant_type: "refresh_token",
          token_endpoint: `${server.issuer}/token`,
          client_id: "stint",
          client_secret: { secret: "CRM_SECRET" },
          refresh_token: { secret: "CRM_REFRESH" },
        },
        {
          ...base,
          id: "batch",
          grant_type: "client_credentials",
          authorization_server: server.issuer,
          revocation_endpoint: `${server.issuer}/token/revocation`,
          client_id: "stint-key",
          token_endpoint_auth_method: "private_key_jwt",
          private_key: { secret: "BATCH_KEY" },
          private_key_id: "stint-key-1",
        },
      ] as never),
    secrets: {
      CRM_SECRET,
      CRM_REFRESH: await server.refreshToken(),
      BATCH_KEY: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    },
  });
});
afterAll(async () => {
  await world?.close();
  await server?.close();
});

const tokenRequests = () => server.asked.filter(({ path }) => path === "/token");

describe("an upstream behind an authorization server of its own", () => {
  it("gives each session a token with no more scope than it was granted, and says when it ends by itself", async () => {
    const session = await lend(world, "crm", ["things:read"]);
    expect((await session.call("GET", "/things")).body).toEqual({ things: [1, 2, 3] });
    expect((await session.call("POST", "/things", {})).status).toBe(403);
    const token = server.presented.at(-1)!;
    expect(tokenRequests().at(-1)!.form["scope"]).toBe("things.read");
    const in_words = expect.stringMatching(/^ends by itself at 20.*Z/) as string;
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "expires_at" }, in_words }] });
    expect(await server.isAlive(token)).toBe(true);
  });

  it("keeps each refresh token's successor, and gives parallel sessions their tokens one after the other", async () => {
    const before = tokenRequests().length;
    const sessions = await Promise.all([1, 2, 3, 4].map(() => lend(world, "crm", ["things:read"])));
    const answers = await Promise.all(sessions.map((session) => session.call("GET", "/things")));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const used = tokenRequests()
      .slice(before)
      .map(({ form }) => form["refresh_token"]);
    // The server takes each one once, and ends everything when it sees one again.
    expect(new Set(used).size).toBe(4);
    await Promise.all(sessions.map((session) => session.end()));
    expect((await (await lend(world, "crm", ["things:read"])).call("GET", "/things")).status).toBe(200);
  });

  it("goes on with the stored successor after kill -9", async () => {
    await world.broker.kill9();
    await world.broker.restart();
    expect((await (await lend(world, "crm", ["things:write"])).call("POST", "/things", {})).status).toBe(200);
  });

  it("V08 says that a connection is broken once the server takes its refresh token no longer, and asks no more", async () => {
    await world.broker.admin("PUT", "/admin/secrets/CRM_REFRESH", { value: "not-a-refresh-token" });
    const session = await lend(world, "crm", ["things:read"]);
    expect(await session.call("GET", "/things")).toMatchObject({ status: 502, body: { error: "upstream_broken" } });
    const asked = tokenRequests().length;
    expect(await session.call("GET", "/things")).toMatchObject({ status: 502, body: { error: "upstream_broken" } });
    expect(tokenRequests().length).toBe(asked);
    const { body } = await world.broker.admin("GET", "/admin/connections");
    expect(body).toMatchObject({ connections: [{ secret: "CRM_REFRESH", upstream: "crm", status: "broken" }] });
    await world.broker.admin("PUT", "/admin/secrets/CRM_REFRESH", { value: await server.refreshToken() });
    expect((await (await lend(world, "crm", ["things:read"])).call("GET", "/things")).status).toBe(200);
    expect((await world.broker.admin("GET", "/admin/connections")).body).toMatchObject({
      connections: [],
      upstreams: expect.arrayContaining([
        { id: "crm", connector: "oauth2", credential: "per_session", orphans: "possible", ends: "expires" },
        { id: "batch", connector: "oauth2", credential: "per_session", orphans: "possible", ends: "revocable" },
        { id: "echo", connector: "api_key", credential: "shared", orphans: "none", ends: "irrevocable" },
      ]) as unknown,
    });
  });

  it("finds a server's token endpoint by its metadata, proves itself with a key, and takes its token back", async () => {
    const session = await lend(world, "batch", ["things:read"]);
    expect((await session.call("GET", "/things")).status).toBe(200);
    const { form } = tokenRequests().at(-1)!;
    expect(form).toMatchObject({ grant_type: "client_credentials", scope: "things.read" });
    const token = server.presented.at(-1)!;
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "revoked" } }] });
    expect(await server.isAlive(token)).toBe(false);
  });

  it("P11 writes no token and no secret into log, audit or disk", async () => {
    const secrets = [
      CRM_SECRET,
      ...server.presented,
      ...tokenRequests().flatMap(({ form }) => form["refresh_token"] ?? []),
    ];
    const rows = await until("the last row", async () => {
      const all = await auditRows(world);
      return all.some(({ type }) => type === "secret.rotated") ? all : undefined;
    });
    const audit = JSON.stringify(rows);
    const objects = join(world.broker.dataPath, "objects");
    const disk = readdirSync(objects, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
    expect(disk.join("")).toContain("CRM_REFRESH");
    for (const secret of new Set(secrets)) {
      expect(world.broker.output()).not.toContain(secret);
      expect(audit).not.toContain(secret);
      expect(disk.some((file) => file.includes(secret))).toBe(false);
    }
  });
});
