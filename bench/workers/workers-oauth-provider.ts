import { OAuthProvider, type OAuthHelpers } from "@cloudflare/workers-oauth-provider";

interface PeerEnv {
  readonly OAUTH_PROVIDER: OAuthHelpers;
}

/** Gives itself a grant: what is measured is only what comes after one. */
const seed = {
  async fetch(request: Request, env: PeerEnv): Promise<Response> {
    const { origin, searchParams } = new URL(request.url);
    const redirectUri = `${origin}/callback`;
    const clientId =
      searchParams.get("client_id") ??
      (await env.OAUTH_PROVIDER.createClient({ redirectUris: [redirectUri], tokenEndpointAuthMethod: "none" }))
        .clientId;
    if (!searchParams.has("client_id")) return Response.json({ client_id: clientId });
    const { redirectTo } = await env.OAUTH_PROVIDER.completeAuthorization({
      request: await env.OAUTH_PROVIDER.parseAuthRequest(request),
      userId: "bench",
      metadata: {},
      scope: ["read"],
      props: { task: "bench" },
    });
    return Response.json({ code: new URL(redirectTo).searchParams.get("code") });
  },
};

export default new OAuthProvider({
  apiRoute: "/api",
  apiHandler: { fetch: () => Promise.resolve(new Response("ok")) },
  defaultHandler: seed as never,
  authorizeEndpoint: "/authorize",
  tokenEndpoint: "/token",
  resourceMetadata: { resource: "http://localhost/api" },
  scopesSupported: ["read"],
  allowTokenExchangeGrant: true,
});
