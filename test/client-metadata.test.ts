import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newProofKey, StintClient, type Answer } from "../cli/agent-client.ts";
import { Approver } from "./support/approver.ts";
import { newClientKey, startOAuthWorld, Visitor, type OAuthWorld } from "./support/oauth-world.ts";
import { clientDocument, RETURN_TO, startMetadataHost, type MetadataHost } from "./support/metadata-host.ts";

let world: OAuthWorld;
let host: MetadataHost;
beforeAll(async () => {
  host = await startMetadataHost();
  world = await startOAuthWorld({
    extraCa: [host.authorityFile],
    adjust: (document) => ({
      ...document,
      client_metadata_hosts: [{ host: host.host, owner: "sam@acme.example" }],
      agents: [
        ...(document["agents"] as object[]),
        {
          client_id: "published",
          name: "Publishes its keys",
          owner: "sam@acme.example",
          jwks_uri: host.url("/published.json"),
        },
      ],
      policies: [
        { ...(document["policies"] as object[])[0], id: "welcome", agents: [`host:${host.host}`, "published"] },
        ...(document["policies"] as object[]),
      ],
    }),
  });
});
afterAll(async () => {
  await world?.close();
  await host?.close();
});

const VERIFIER = "v".repeat(43);
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
let paths = 0;
/** A path that no other test has used. */
const freshPath = (): string => `/clients/${(paths += 1)}.json`;

function authorizationUrl(client_id: string, changes: Record<string, string> = {}): URL {
  const url = new URL(`${world.issuer}/oauth/authorize`);
  const parameters = {
    response_type: "code",
    client_id,
    redirect_uri: RETURN_TO,
    scope: "github:issues:read@acme/api",
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    ...changes,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

const open = (client_id: string, changes?: Record<string, string>): Promise<Response> =>
  fetch(authorizationUrl(client_id, changes), { redirect: "manual" });

describe("a client that is known by its metadata document (group M)", () => {
  it("is shown by its host, may ask, and gets its token by proving a key", async () => {
    const id = host.publishClient(freshPath());
    const visitor = new Visitor(world);
    const page = await visitor.open(authorizationUrl(id));
    expect(page.status).toBe(200);
    await visitor.begin();
    const approver = await visitor.link();
    const { html } = await approver.view();
    expect(html).toContain(`${host.host} asks for access`);
    expect(html).toContain("Some editor");
    expect(html).toContain("any program there can pretend to be");
    await approver.review();
    await approver.decide("approve");
    const code = new URL((await visitor.continue()).headers.get("location") ?? "").searchParams.get("code") ?? "";
    const client = new StintClient(world.issuer, id, world.keys.agent.privateJwk, await newProofKey());
    const answer = await redeem(client, id, code);
    expect(answer).toMatchObject({ status: 200, body: { token_type: "DPoP" } });
  });

  it("authenticates with the keys of its document", async () => {
    const key = await newClientKey("doc");
    const id = host.publishClient(freshPath(), {
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [key.publicJwk] },
    });
    const client = new StintClient(world.issuer, id, key.privateJwk, await newProofKey());
    const asked = await client.ask({ task: { title: "x" }, authorization_details: [READ], expires_in: 60 });
    expect(asked.status).toBe(202);
    const other = new StintClient(world.issuer, id, (await newClientKey("doc")).privateJwk, await newProofKey());
    expect(await other.ask({ task: { title: "x" }, authorization_details: [READ], expires_in: 60 })).toMatchObject({
      status: 401,
      body: { error: "invalid_client" },
    });
  });

  it("M01 M02 M04 M05 M06 is not fetched when its client_id is no address as it would be fetched", async () => {
    const { length } = host.hits;
    const of = (rest: string): string => `https://${host.host}${rest}`;
    const bad = [
      `http://${host.host}/a.json`,
      of(""),
      of("/"),
      `https://user@${host.host}/a.json`,
      `https://user:pw@${host.host}/a.json`,
      of("/./a.json"),
      of("/../a.json"),
      of("/x/%2e%2e/a.json"),
      of("/x/%2E./a.json"),
      of("/x/.%2e/a.json"),
      of("/x/.."),
      of("\\a.json"),
      of("/\ta.json"),
      of("/\na.json"),
      `https:/${host.host}/a.json`,
      `https:${host.host}/a.json`,
      `HTTPS://${host.host}/a.json`,
      `https://${host.host.toUpperCase()}/a.json`,
      of("/a.json#part"),
      of("/a b.json"),
      ` ${of("/a.json")}`,
      of(`/${"a".repeat(400)}.json`),
      "https://elsewhere.example/a.json",
      `https://${host.host}.evil.example/a.json`,
      `https://${host.host}@evil.example/a.json`,
      "https://169.254.169.254/latest/meta-data",
      "data:application/json,{}",
      "file:///etc/passwd",
    ];
    for (const id of bad) {
      const response = await open(id);
      expect([id, response.status, response.headers.get("location")]).toEqual([id, 400, null]);
    }
    expect(host.hits.length).toBe(length);
  });

  it("M24 is never fetched from our own origin", async () => {
    const response = await open(`${world.issuer.replace("http:", "https:")}/oauth/jwks`);
    expect(response.status).toBe(400);
  });

  it.each<[string, (id: string) => Record<string, unknown>]>([
    ["M07 a client_id in other letters", (id) => ({ client_id: id.toUpperCase() })],
    ["M07 a client_id with a default port", (id) => ({ client_id: id.replace(".json", ".json/") })],
    ["M07 a client_id in other escapes", (id) => ({ client_id: id.replace("clients", "%63lients") })],
    ["M07 no client_id", () => ({ client_id: undefined })],
    ["M07 a client_id that is no text", () => ({ client_id: 1 })],
    ["M12 a shared secret", () => ({ client_secret: "s" })],
    ["M12 an expiring secret", () => ({ client_secret_expires_at: 0 })],
    ["M12 client_secret_basic", () => ({ token_endpoint_auth_method: "client_secret_basic" })],
    ["M12 client_secret_post", () => ({ token_endpoint_auth_method: "client_secret_post" })],
    ["M12 client_secret_jwt", () => ({ token_endpoint_auth_method: "client_secret_jwt" })],
    ["M13 a symmetric key", () => ({ jwks: { keys: [{ kty: "oct", k: "AAAA" }] } })],
    ["M13 a private key", () => ({ jwks: { keys: [{ kty: "EC", crv: "P-256", x: "a", y: "b", d: "c" }] } })],
    ["M14 no redirect_uris", () => ({ redirect_uris: undefined })],
    ["M14 empty redirect_uris", () => ({ redirect_uris: [] })],
    ["M14 javascript:", () => ({ redirect_uris: ["javascript:alert(1)"] })],
    ["M14 data:", () => ({ redirect_uris: ["data:text/html,x"] })],
    ["M14 a fragment", () => ({ redirect_uris: [`${RETURN_TO}#x`] })],
    ["M14 plain http elsewhere", () => ({ redirect_uris: ["http://app.example/cb"] })],
    ["M14 a host that is not its own", () => ({ redirect_uris: ["https://app.example/cb"] })],
    ["M14 one bad among good", () => ({ redirect_uris: [RETURN_TO, "https://app.example/cb"] })],
    ["no client_name", () => ({ client_name: undefined })],
    ["a client_name that is no text", () => ({ client_name: {} })],
    [
      "M22 a notification endpoint elsewhere",
      () => ({ backchannel_client_notification_endpoint: "https://10.0.0.1/x" }),
    ],
    ["private_key_jwt and no keys", () => ({ token_endpoint_auth_method: "private_key_jwt" })],
  ])("refuses a document with %s", async (_, changes) => {
    const path = freshPath();
    const id = host.publishClient(path, changes(host.url(path)));
    expect((await open(id)).status).toBe(400);
  });

  it.each<[string, Parameters<MetadataHost["publish"]>[1]]>([
    ["M08 301", { status: 301, headers: { location: "/good.json" } }],
    ["M08 302", { status: 302, headers: { location: "/good.json" } }],
    ["M08 307", { status: 307, headers: { location: "/good.json" } }],
    ["M08 308", { status: 308, headers: { location: "/good.json" } }],
    ["404", { status: 404, body: "{}" }],
    ["204", { status: 204 }],
    ["500", { status: 500, body: "{}" }],
    ["M10 text/html", { headers: { "content-type": "text/html" }, body: "{}" }],
    ["M10 no JSON", { body: "not json" }],
    ["M10 an array", { body: "[]" }],
    ["M10 a member twice", { body: '{"client_id":"a","client_id":"b"}' }],
    ["M11 too much, said beforehand", { body: JSON.stringify({ pad: "x".repeat(5 * 1024) }) }],
    ["M11 too much, compressed", { headers: { "content-encoding": "gzip" }, body: gzipSync("x".repeat(5_000_000)) }],
    ["M11 a body that never ends", { body: "{", hang: true }],
  ])("refuses an answer of %s", async (_, answer) => {
    host.publishClient("/good.json");
    const { length } = host.hits;
    const path = freshPath();
    expect((await open(host.publish(path, answer))).status).toBe(400);
    expect(host.hits.slice(length)).toEqual([path]);
  });

  it("M15 shows and fetches no logo", async () => {
    const id = host.publishClient(freshPath(), { logo_uri: host.url("/logo.svg"), tos_uri: host.url("/tos") });
    const html = await (await open(id)).text();
    expect(html).not.toContain("logo.svg");
    expect(html).not.toContain("/tos");
    expect(host.hits).not.toContain("/logo.svg");
  });

  it("M16 shows the host, never the name a client gives itself", async () => {
    const id = host.publishClient(freshPath(), { client_name: `Claude\u202E\u200B <b>${"x".repeat(500)}` });
    const page = await (await open(id)).text();
    expect(page).toContain(`${host.host} asks for access`);
    expect(page).not.toContain("Claude");
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(id));
    await visitor.begin();
    const { html } = await (await visitor.link()).view();
    expect(html).toContain("Claude[U+202E][U+200B] &lt;b&gt;");
    expect(html).not.toContain("x".repeat(200));
  });

  it("M19 sees a mended document at once", async () => {
    const path = freshPath();
    const id = host.publishClient(path, { client_name: undefined });
    expect((await open(id)).status).toBe(400);
    host.publishClient(path);
    expect((await open(id)).status).toBe(200);
  });

  it("M20 asks again when the document changed after the approval", async () => {
    const path = freshPath();
    // Not kept: each answer differs, as a document does that was changed a minute later.
    let answers = 0;
    const id = host.publish(path, () => ({
      body: JSON.stringify({ ...clientDocument(host.url(path)), ...(answers++ > 0 ? { client_name: "Other" } : {}) }),
    }));
    const visitor = new Visitor(world);
    await visitor.open(authorizationUrl(id));
    await visitor.begin();
    await (await visitor.link()).approve();
    const code = new URL((await visitor.continue()).headers.get("location") ?? "").searchParams.get("code") ?? "";
    await world.broker.kill9();
    await world.broker.restart();
    const client = new StintClient(world.issuer, id, world.keys.agent.privateJwk, await newProofKey());
    expect(await redeem(client, id, code)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  it("M21 fetches one document once, however many ask at the same time", async () => {
    const path = freshPath();
    const id = host.publishClient(path);
    const answers = await Promise.all(Array.from({ length: 20 }, () => open(id)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(host.hits.filter((hit) => hit === path)).toHaveLength(1);
  });

  it("M26 takes no client whose document cannot be had", async () => {
    const response = await fetch(`${world.issuer}/oauth/par`, {
      method: "POST",
      body: authorizationUrl(host.url("/nowhere.json")).searchParams,
    });
    expect([response.status, await response.json()]).toMatchObject([401, { error: "invalid_client" }]);
  });

  it("M23 takes keys from jwks_uri, and none from one that redirects, is private, or is too large", async () => {
    const key = await newClientKey("published");
    const withKeys = (jwks_uri: string): string =>
      host.publishClient(freshPath(), { token_endpoint_auth_method: "private_key_jwt", jwks_uri });
    const ask = async (id: string): Promise<number> => {
      const client = new StintClient(world.issuer, id, key.privateJwk, await newProofKey());
      return (await client.ask({ task: { title: "x" }, authorization_details: [READ], expires_in: 60 })).status;
    };
    const good = host.publish("/jwks.json", {
      body: JSON.stringify({ keys: [{ kty: "RSA", use: "enc", kid: "e", n: "x", e: "AQAB" }, key.publicJwk] }),
    });
    expect(await ask(withKeys(good))).toBe(202);
    const redirected = host.publish("/moved-jwks", { status: 302, headers: { location: "/jwks.json" } });
    const huge = host.publish("/huge-jwks", {
      body: JSON.stringify({ keys: [key.publicJwk], pad: "x".repeat(100_000) }),
    });
    const mixed = host.publish("/mixed-jwks", {
      body: JSON.stringify({ keys: [key.publicJwk, { kty: "oct", k: "AAAA" }] }),
    });
    const twins = host.publish("/twin-jwks", { body: JSON.stringify({ keys: [key.publicJwk, key.publicJwk] }) });
    for (const jwksUri of [redirected, huge, mixed, twins, `https://localhost:1/jwks`])
      expect([jwksUri, await ask(withKeys(jwksUri))]).toEqual([jwksUri, 401]);
  });

  it("M21 refuses a flood of strangers with 429, fetches no more than it may, and serves registered clients", async () => {
    await world.broker.kill9();
    await world.broker.restart();
    const { length } = host.hits;
    const statuses: number[] = [];
    for (let at = 0; at < 80; at += 1) statuses.push((await open(host.url(`/flood/${at}.json`))).status);
    expect(new Set(statuses)).toEqual(new Set([400, 429]));
    expect(host.hits.length - length).toBe(60);
    expect((await open("native-app")).status).toBe(200);
    const key = await newClientKey("published");
    host.publish("/published.json", { body: JSON.stringify({ keys: [key.publicJwk] }) });
    const published = new StintClient(world.issuer, "published", key.privateJwk, await newProofKey());
    const asked = await published.ask({ task: { title: "x" }, authorization_details: [READ], expires_in: 60 });
    expect(asked.status).toBe(202);
  });

  it("R09 is cut off by its address, or with its host", async () => {
    await world.broker.kill9();
    await world.broker.restart();
    const key = await newClientKey("doc");
    const jwks = { keys: [key.publicJwk] };
    const begin = async () => {
      const id = host.publishClient(freshPath(), { token_endpoint_auth_method: "private_key_jwt", jwks });
      const client = new StintClient(world.issuer, id, key.privateJwk, await newProofKey());
      const { session_id, auth_req_id } = (
        await client.ask({ task: { title: "x" }, authorization_details: [READ], expires_in: 60 })
      ).body;
      await (await Approver.bySlack(world, "dana", session_id)).approve();
      const token = String((await client.poll(auth_req_id)).body["access_token"]);
      expect((await client.introspect(token)).body["active"]).toBe(true);
      return { id, client, token };
    };
    const first = await begin();
    const cut = await world.broker.admin("POST", `/admin/agents/${encodeURIComponent(first.id)}/revoke`, {});
    expect(cut.status).toBe(200);
    expect((await first.client.introspect(first.token)).body).toEqual({ active: false });
    const second = await begin();
    const {
      client_metadata_hosts: _,
      policies,
      ...rest
    } = world.document as { policies: { id: string }[] } & Record<string, unknown>;
    const applied = await world.broker.admin("POST", "/admin/tenant", {
      ...rest,
      policies: policies.filter(({ id }) => id !== "welcome"),
    });
    expect(applied.status).toBe(200);
    expect((await second.client.exchange(second.token, `${world.issuer}/proxy/github`)).status).toBe(401);
  });
});

const READ = { type: "upstream_access", upstream: "github", actions: ["issues:read"], locations: ["acme/api"] };

function redeem(client: StintClient, client_id: string, code: string): Promise<Answer> {
  return client.token(async () => ({
    grant_type: "authorization_code",
    client_id,
    code,
    redirect_uri: RETURN_TO,
    code_verifier: VERIFIER,
  }));
}
