import { describe, expect, it } from "vitest";
import { ISSUER, RESOURCE, foreignWorld, type Parts, type Seen } from "../../test/support/foreign-world.ts";

const ORIGIN = "https://tickets.test";
const NOT_FOUND = (): Response => new Response(null, { status: 404 });
type Instead = NonNullable<Parts["instead"]>;
const isAbout = ({ url }: Seen, name: string): boolean => url.includes(`/.well-known/${name}`);

/** A server of the revision 2025-03-26: it turns calls away, has no metadata of a resource, and may have none at all. */
function selfIssued(metadata: object | undefined, parts: Parts = {}) {
  const { options, instead, ...rest } = parts;
  return foreignWorld({
    ...rest,
    back: { iss: null },
    instead: (seen) => {
      const other = instead?.(seen);
      if (other !== undefined) return other;
      if (seen.url === `${ORIGIN}/register`) return Response.json({ client_id: "made" }, { status: 201 });
      if (seen.url === `${ORIGIN}/token`) return Response.json({ access_token: "t", token_type: "Bearer" });
      if (isAbout(seen, "oauth-authorization-server") && metadata !== undefined) return Response.json(metadata);
      return isAbout(seen, "") ? NOT_FOUND() : undefined;
    },
    options: {
      allowSelfIssued: true,
      allowBearer: true,
      client: { register: { name: "Triage" } },
      ...options,
    },
  });
}

const OWN = {
  issuer: ORIGIN,
  authorization_endpoint: `${ORIGIN}/oauth/authorize`,
  token_endpoint: `${ORIGIN}/token`,
  registration_endpoint: `${ORIGIN}/register`,
  code_challenge_methods_supported: ["S256"],
  token_endpoint_auth_methods_supported: ["none"],
};
const secretFor = ({ url }: Seen) =>
  url === `${ORIGIN}/register` ? Response.json({ client_id: "made", client_secret: "s" }, { status: 201 }) : undefined;

describe("a server that is its own authorization server (MCP 2025-03-26)", () => {
  it("is asked as its metadata says", async () => {
    const { call, asked, seen } = selfIssued(OWN);
    expect((await call(RESOURCE)).status).toBe(200);
    expect(asked[0]!.href).toMatch(/^https:\/\/tickets\.test\/oauth\/authorize\?/);
    expect(asked[0]!.searchParams.get("resource")).toBe(RESOURCE);
    expect(seen.at(-1)!.headers.get("authorization")).toBe("Bearer t");
  });

  it("is asked at fixed addresses if it has none, with PKCE all the same", async () => {
    const { call, asked, seen } = selfIssued(undefined, { instead: secretFor });
    expect((await call(RESOURCE)).status).toBe(200);
    expect(asked[0]!.href).toMatch(/^https:\/\/tickets\.test\/authorize\?/);
    expect(asked[0]!.searchParams.get("code_challenge_method")).toBe("S256");
    const redeemed = seen.find(({ url }) => url === `${ORIGIN}/token`)!;
    expect(new URLSearchParams(redeemed.body).get("code_verifier")).toMatch(/^[\w-]{43}$/);
    expect(seen.filter(({ url, redirect }) => new URL(url).origin !== ORIGIN || redirect !== "manual")).toEqual([]);
  });

  it.each<[string, NonNullable<Parts["options"]>, string]>([
    ["is so only where that is allowed", { allowSelfIssued: false }, "invalid_metadata"],
    ["gives no token without a key unless that is allowed, too", { allowBearer: false }, "invalid_metadata"],
    ["is shown no other server's credentials", { client: { registered: [atOther()] } }, "unregistered_client"],
  ])("%s", async (_, options, code) => {
    for (const metadata of [OWN, undefined]) {
      const { call, asked, seen } = selfIssued(metadata, { options });
      await expect(call(RESOURCE)).rejects.toMatchObject({ code });
      expect([asked, seen.filter(({ body }) => body !== "")]).toEqual([[], []]);
    }
  });

  it.each<[string, Instead]>([
    ["names its metadata in the challenge", named],
    ["cannot say whether it has metadata", answering("oauth-protected-resource", 503)],
    ["wants whoever reads its metadata to sign in", answering("oauth-protected-resource", 401)],
    ["leads on to its metadata", answering("oauth-protected-resource", 302)],
    ["is asked too often", answering("oauth-protected-resource", 429)],
    [
      "has metadata about another resource",
      documented({ resource: "https://other.test/", authorization_servers: [ISSUER] }),
    ],
    ["has metadata that names nobody", documented({ resource: RESOURCE, authorization_servers: [] })],
    ["has metadata that is none", documented(undefined)],
    ["cannot say whether its server has metadata", answering("oauth-authorization-server", 500)],
    ["cannot say it in the other place either", answering("openid-configuration", 500)],
  ])("is not the one that %s", async (_, instead) => {
    const { call, asked, seen } = selfIssued(undefined, { instead });
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_metadata" });
    expect([asked, seen.filter(({ body }) => body !== "")]).toEqual([[], []]);
  });

  it.each([
    { ...OWN, issuer: ISSUER },
    { ...OWN, issuer: `${ORIGIN}/` },
    { ...OWN, code_challenge_methods_supported: undefined },
    { ...OWN, token_endpoint: "http://tickets.test/token" },
    { ...OWN, authorization_endpoint: "javascript:alert(1)" },
    {},
  ])("is held to its metadata as any other: %j", async (metadata) => {
    const { call, asked, seen } = selfIssued(metadata);
    await expect(call(RESOURCE)).rejects.toMatchObject({ code: "invalid_metadata" });
    expect([asked, seen.filter(({ body }) => body !== "")]).toEqual([[], []]);
  });
});

function atOther() {
  return { issuer: ISSUER, clientId: "x", authentication: { method: "client_secret_post", secret: "s" } } as const;
}

function named({ url, headers }: Seen): Response | undefined {
  if (url !== RESOURCE || headers.has("authorization")) return undefined;
  const challenge = `Bearer resource_metadata="${ORIGIN}/.well-known/oauth-protected-resource/gone"`;
  return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
}

function answering(name: string, status: number): Instead {
  return (seen) => (isAbout(seen, name) ? new Response(null, { status }) : undefined);
}

function documented(document: object | undefined): Instead {
  return (seen) => {
    if (!isAbout(seen, "oauth-protected-resource")) return undefined;
    return document === undefined ? new Response("<html>") : Response.json(document);
  };
}
