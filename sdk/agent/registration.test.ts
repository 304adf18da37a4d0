import { afterEach, describe, expect, it, vi } from "vitest";
import {
  foreignWorld,
  ISSUER,
  OTHER_ISSUER,
  REDIRECT,
  RESOURCE,
  type Parts,
  type Seen,
} from "../../test/support/foreign-world.ts";
import type { ClientIdentity } from "./client-identity.ts";
import type { RegisteredClient } from "./registered-client.ts";

const DOCUMENT = "https://app.test/client.json";
const register = { name: "Triage" };
const created = (body: unknown, status = 201) => Response.json(body, { status });
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

/** A world whose servers name clients after themselves, and an agent that may register. */
function registering(parts: Parts = {}, client: ClientIdentity = { register }) {
  return foreignWorld({
    register: (_, issuer) => created({ client_id: `of ${issuer}` }),
    ...parts,
    options: { client, ...parts.options },
  });
}

afterEach(() => void vi.useRealTimers());

const clientIn = ({ body }: Seen) => new URLSearchParams(body).get("client_id");
const secretsIn = (seen: readonly Seen[]) =>
  seen.filter(
    ({ headers, body }) => headers.get("authorization")?.startsWith("Basic ") === true || /secret/.test(body),
  );

describe("as whom a client comes", () => {
  const registered: RegisteredClient = { issuer: ISSUER, clientId: "by-hand", authentication: { method: "none" } };
  const document = { url: DOCUMENT };
  it.each<[string, string, ClientIdentity, boolean]>([
    ["registered by hand", "by-hand", { registered: [registered], document, register }, true],
    [
      "by its document, where it is registered elsewhere",
      DOCUMENT,
      { registered: [elsewhere()], document, register },
      true,
    ],
    ["by its document, where such are read", DOCUMENT, { document, register }, true],
    ["registered by itself, where documents are not read", `of ${ISSUER}`, { document, register }, false],
    ["registered by itself", `of ${ISSUER}`, { register }, true],
  ])("is, at best, %s", async (_, expected, client, reads) => {
    const server = { client_id_metadata_document_supported: reads };
    const { call, asked, tokenRequests, registrations } = registering({ server }, client);
    expect((await call(RESOURCE)).status).toBe(200);
    expect([asked[0]?.searchParams.get("client_id"), clientIn(tokenRequests()[0]!)]).toEqual([expected, expected]);
    expect(registrations()).toHaveLength(expected.startsWith("of ") ? 1 : 0);
  });

  it.each<[string, ClientIdentity]>([
    ["is registered elsewhere", { registered: [elsewhere()] }],
    ["has a document that is not read here", { document }],
    ["has a secret that ran out", { registered: [withSecret(inSeconds(-1))] }],
    ["is nobody", {}],
  ])("asks nobody and registers nowhere unless it may: who %s", async (_, client) => {
    const { call, asked, registrations, tokenRequests } = registering({}, client);
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "unregistered_client" });
    expect([asked, registrations(), tokenRequests()]).toEqual([[], [], []]);
  });

  function elsewhere(): RegisteredClient {
    return { issuer: OTHER_ISSUER, clientId: "elsewhere", authentication: { method: "none" } };
  }
});

function withSecret(expiresAt?: number): RegisteredClient {
  const end = expiresAt === undefined ? {} : { expiresAt };
  return {
    issuer: ISSUER,
    clientId: "by-hand",
    authentication: { method: "client_secret_basic", secret: "the-secret", ...end },
  };
}

describe("a client that registers itself (RFC 7591)", () => {
  it("says who it is, and asks for no more than it uses", async () => {
    const { call, registrations } = registering();
    await call(RESOURCE);
    expect(registrations()[0]!.headers.get("authorization")).toBeNull();
    expect(JSON.parse(registrations()[0]!.body)).toEqual({
      client_name: "Triage",
      redirect_uris: [REDIRECT],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
      dpop_bound_access_tokens: true,
    });
  });

  it.each([
    [REDIRECT, "native"],
    ["http://127.0.0.1/cb", "native"],
    ["com.example.triage:/cb", "native"],
    ["https://localhost/cb", "native"],
    ["https://app.test/cb", "web"],
  ])("that is sent back to %s is %s", async (redirectUri, kind) => {
    const { call, registrations } = registering({ options: { redirectUri } });
    await call(RESOURCE);
    expect(JSON.parse(registrations()[0]!.body)).toMatchObject({
      redirect_uris: [redirectUri],
      application_type: kind,
    });
  });

  it.each([
    [["client_secret_post", "client_secret_basic", "none"], "none"],
    [["private_key_jwt", "client_secret_post", "client_secret_basic"], "client_secret_basic"],
    [["client_secret_post"], "client_secret_post"],
    [undefined, "client_secret_basic"],
  ])("of %j asks for the one with the least to steal: %s", async (methods, expected) => {
    const server = { token_endpoint_auth_methods_supported: methods };
    const { call, registrations } = registering({
      server,
      register: () => created({ client_id: "a", client_secret: "s" }),
    });
    await call(RESOURCE);
    expect(JSON.parse(registrations()[0]!.body)).toMatchObject({ token_endpoint_auth_method: expected });
  });

  it.each([
    ["client_secret_basic", `Basic ${btoa("made:s3cret")}`, null],
    ["client_secret_post", null, "s3cret"],
    ["none", null, null],
  ])("authenticates as it was registered: %s", async (method, header, inBody) => {
    const answer = { client_id: "made", client_secret: "s3cret", client_secret_expires_at: 0 };
    const { call, seen, tokenRequests } = registering({
      register: () => created({ ...answer, token_endpoint_auth_method: method }),
    });
    expect((await call(RESOURCE)).status).toBe(200);
    const [request] = tokenRequests();
    expect(request!.headers.get("authorization")).toBe(header);
    expect(new URLSearchParams(request!.body).get("client_secret")).toBe(inBody);
    expect(
      seen.filter(({ url, ...one }) => !url.endsWith("/oauth/token") && secretsIn([{ url, ...one }]).length > 0),
    ).toEqual([]);
  });

  it.each<[string, unknown, number?]>([
    ["without 201", { client_id: "a" }, 200],
    ["with 202", { client_id: "a" }, 202],
    ["of nobody", {}],
    ["of a nameless client", { client_id: "" }],
    ["of a client that is no text", { client_id: ["a"] }],
    ["that is a list", [{ client_id: "a" }]],
    ["without end", { client_id: "a", x: "x".repeat(2_000_000) }],
    ["of a client whose answers go elsewhere", { client_id: "a", redirect_uris: ["https://evil.test/cb"] }],
    ["of a client without addresses", { client_id: "a", redirect_uris: [] }],
    ["of a client with one address in a text", { client_id: "a", redirect_uris: REDIRECT }],
    ["with an authentication that it cannot do", { client_id: "a", token_endpoint_auth_method: "private_key_jwt" }],
    [
      "with an authentication of a secret, and none",
      { client_id: "a", token_endpoint_auth_method: "client_secret_post" },
    ],
    ["with an empty secret", { client_id: "a", token_endpoint_auth_method: "client_secret_post", client_secret: "" }],
    [
      "with a secret that is no text",
      { client_id: "a", token_endpoint_auth_method: "client_secret_post", client_secret: 7 },
    ],
    ...[1, -1, "soon", null, []].map((end): [string, unknown] => [
      `with a secret that ends at ${JSON.stringify(end)}`,
      {
        client_id: "a",
        token_endpoint_auth_method: "client_secret_post",
        client_secret: "s",
        client_secret_expires_at: end,
      },
    ]),
  ])("asks no human after an answer %s", async (_, body, status = 201) => {
    const { call, asked, tokenRequests } = registering({ register: () => created(body, status) });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_registration" });
    expect([asked, tokenRequests()]).toEqual([[], []]);
  });

  it.each<[string, () => Response, string]>([
    ["refuses", () => created({ error: "invalid_redirect_uri" }, 400), "invalid_redirect_uri"],
    ["is down", () => new Response("<html>", { status: 503 }), "server_error"],
    [
      "leads on",
      () => new Response(null, { status: 307, headers: { location: "https://evil.test/" } }),
      "server_error",
    ],
  ])("asks no human, and follows nowhere, where the server %s", async (_, answer, code) => {
    const { call, asked, seen } = registering({ register: answer });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code });
    expect(asked).toEqual([]);
    expect(seen.filter(({ url, redirect }) => redirect !== "manual" || url.includes("evil"))).toEqual([]);
  });

  it.each([
    "http://stint.test/oauth/register",
    "https://evil.test/register",
    "https://stint.test:8443/register",
    "https://10.0.0.1/register",
    "http://localhost:8787/register",
    "https://stint.test@evil.test/register",
    "/oauth/register",
    "javascript:alert(1)",
    "",
  ])("posts to no other origin than the issuer's: %s", async (registration_endpoint) => {
    const { call, asked, seen } = registering({ server: { registration_endpoint } });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_registration" });
    expect([asked, seen.filter(({ body }) => body !== "")]).toEqual([[], []]);
  });

  it.each([
    [{ registration_endpoint: undefined }, "unregistered_client"],
    [{ registration_endpoint: 7 }, "unregistered_client"],
    [{ token_endpoint_auth_methods_supported: ["private_key_jwt"] }, "invalid_registration"],
    [{ code_challenge_methods_supported: undefined }, "invalid_metadata"],
    [{ dpop_signing_alg_values_supported: undefined }, "invalid_metadata"],
  ])("is not registered where it could get no token: %j", async (server, code) => {
    const { call, seen } = registering({ server });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code });
    expect(seen.filter(({ body }) => body !== "")).toEqual([]);
  });

  it.each<[string, ClientIdentity, string]>([
    ["by hand", { registered: [{ ...withSecret(), issuer: OTHER_ISSUER }], register }, "by-hand"],
    ["by its document", { document: { url: DOCUMENT }, register }, DOCUMENT],
  ])("takes no name that it has elsewhere %s: a human could be led to approve it there", async (_, client, name) => {
    const { call, asked, tokenRequests } = registering({ register: () => created({ client_id: name }) }, client);
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_registration" });
    expect([asked, tokenRequests()]).toEqual([[], []]);
  });

  it("registers once, for calls at once and for those that come later", async () => {
    const answers = [() => new Response("ok"), () => new Response("ok"), () => new Response(null, { status: 401 })];
    const { call, asked, registrations } = registering({
      answer: () => answers.shift()?.() ?? new Response("again"),
    });
    await Promise.all([call(RESOURCE), call(RESOURCE)]);
    expect(await (await call(RESOURCE)).text()).toBe("again");
    expect([asked.length, registrations().length]).toEqual([2, 1]);
  });

  it("registers anew when the server forgot it", async () => {
    let known = true;
    const { call, registrations } = registering({
      instead: ({ url }) =>
        known || !url.endsWith("/oauth/token")
          ? undefined
          : Response.json({ error: "invalid_client" }, { status: 401 }),
    });
    known = false;
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_client" });
    known = true;
    expect((await call(RESOURCE)).status).toBe(200);
    expect(registrations()).toHaveLength(2);
  });

  it("registers anew when its secret has run out, and not before", async () => {
    const turnedAway = new Set([2, 4]);
    let calls = 0;
    const { call, registrations } = registering({
      register: () =>
        created({
          client_id: "made",
          token_endpoint_auth_method: "client_secret_post",
          client_secret: "s",
          client_secret_expires_at: inSeconds(3600),
        }),
      answer: () => new Response(null, { status: turnedAway.has((calls += 1)) ? 401 : 200 }),
    });
    vi.useFakeTimers({ toFake: ["Date"] });
    const counts: number[] = [];
    for (const later of [0, 3500, 3600]) {
      vi.setSystemTime(Date.now() + later * 1000);
      await call(RESOURCE);
      counts.push(registrations().length);
    }
    expect(counts).toEqual([1, 1, 2]);
  });

  it("hands over what it registered, to be brought along the next time", async () => {
    const kept: RegisteredClient[] = [];
    const answer = { client_id: "made", client_secret: "s3cret", client_secret_expires_at: inSeconds(60) };
    const first = registering(
      { register: () => created({ ...answer, token_endpoint_auth_method: "client_secret_basic" }) },
      { register: { ...register, keep: (client) => void kept.push(client) } },
    );
    await first.call(RESOURCE);
    const { client_id: clientId, client_secret: secret, client_secret_expires_at: expiresAt } = answer;
    const authentication = { method: "client_secret_basic", secret, expiresAt };
    expect(kept).toEqual([{ issuer: ISSUER, clientId, authentication }]);
    const second = registering({}, { registered: JSON.parse(JSON.stringify(kept)) as RegisteredClient[], register });
    expect((await second.call(RESOURCE)).status).toBe(200);
    expect(second.registrations()).toEqual([]);
    expect(second.tokenRequests()[0]!.headers.get("authorization")).toBe(`Basic ${btoa("made:s3cret")}`);
  });

  it("shows its secret in no error", async () => {
    const faults: unknown[] = [];
    for (const fault of [
      () => Response.json({ error: "invalid_grant" }, { status: 400 }),
      () => new Response("<html>", { status: 500 }),
      () => Response.json({ access_token: "t", token_type: "Bearer" }),
      () => {
        throw new TypeError("fetch failed");
      },
    ]) {
      const { call } = registering(
        { instead: ({ url }) => (url.endsWith("/oauth/token") ? fault() : undefined) },
        { registered: [withSecret()] },
      );
      faults.push(await call(RESOURCE).catch((thrown: unknown) => thrown));
    }
    const texts = faults.map((fault) => `${String(fault)} ${JSON.stringify(fault)} ${(fault as Error).stack}`);
    expect(faults.every((fault) => fault instanceof Error)).toBe(true);
    expect(texts.join()).not.toMatch(new RegExp(`the-secret|${btoa("by-hand:the-secret")}`));
  });
});

describe("credentials of one authorization server (MCP authorization, Authorization Server Binding)", () => {
  const moved = (client: ClientIdentity, parts: Parts = {}) => {
    const answers = [() => new Response("ok"), () => new Response(null, { status: 401 })];
    return registering({ ...parts, answer: () => answers.shift()?.() ?? new Response("moved") }, client);
  };

  it("are made anew at another, and shown there to nobody", async () => {
    const { call, named, asked, seen, registrations } = moved(
      { register },
      {
        register: (_, issuer) =>
          created({
            client_id: `of ${issuer}`,
            client_secret: `secret of ${issuer}`,
            token_endpoint_auth_method: "client_secret_post",
          }),
      },
    );
    await call(RESOURCE);
    named.issuer = OTHER_ISSUER;
    expect(await (await call(RESOURCE)).text()).toBe("moved");
    expect(registrations().map(({ url }) => new URL(url).origin)).toEqual([ISSUER, OTHER_ISSUER]);
    expect(asked.map(({ searchParams }) => searchParams.get("client_id"))).toEqual([
      `of ${ISSUER}`,
      `of ${OTHER_ISSUER}`,
    ]);
    const atOther = seen.filter(({ url }) => url.startsWith(OTHER_ISSUER));
    const said = atOther.map(({ url, headers, body }) =>
      decodeURIComponent(`${url} ${JSON.stringify([...headers])} ${body}`),
    );
    expect(said.join()).toContain(`secret+of+${OTHER_ISSUER}`);
    expect(said.join()).not.toContain(ISSUER);
  });

  it("are not sent to another by one who was registered by hand", async () => {
    const { call, named, asked, seen } = moved({ registered: [withSecret()] });
    await call(RESOURCE);
    named.issuer = OTHER_ISSUER;
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "unregistered_client" });
    expect(asked).toHaveLength(1);
    expect(secretsIn(seen).map(({ url }) => url)).toEqual([`${ISSUER}/oauth/token`]);
  });

  it("decide where to go when a resource names several", async () => {
    const client = { registered: [{ ...withSecret(), issuer: OTHER_ISSUER }], register };
    const { call, asked, registrations, seen } = registering(
      { about: { authorization_servers: [ISSUER, OTHER_ISSUER] } },
      client,
    );
    expect((await call(RESOURCE)).status).toBe(200);
    expect([asked.map(({ origin }) => origin), registrations()]).toEqual([[OTHER_ISSUER], []]);
    expect(seen.filter(({ url }) => url.startsWith(ISSUER))).toEqual([]);
  });

  it("are found again when the resource comes back to it", async () => {
    const refused = new Set<number>([2, 4]);
    let calls = 0;
    const { call, named, asked, registrations } = registering({
      answer: () => new Response("ok", { status: refused.has((calls += 1)) ? 401 : 200 }),
    });
    for (const issuer of [ISSUER, OTHER_ISSUER, ISSUER]) {
      named.issuer = issuer;
      expect((await call(RESOURCE)).status).toBe(200);
    }
    expect(asked.map(({ origin }) => origin)).toEqual([ISSUER, OTHER_ISSUER, ISSUER]);
    expect(registrations().map(({ url }) => new URL(url).origin)).toEqual([ISSUER, OTHER_ISSUER]);
  });

  it("are refused from a server that names a client as the last one did", async () => {
    const { call, named, asked } = moved({ register }, { register: () => created({ client_id: "the same" }) });
    await call(RESOURCE);
    named.issuer = OTHER_ISSUER;
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_registration" });
    expect(asked).toHaveLength(1);
  });
});
