import { createServer, type Server } from "node:http";
import type { JWK } from "jose";
import { Provider } from "oidc-provider";
import { freePort } from "../../demo/free-port.ts";

export const CRM_SECRET = "crm-client-secret-of-32-characters";

/** A company's authorization server and the API behind it: `oidc-provider`, as any SaaS would run it. */
export interface AuthorizationServer {
  readonly issuer: string;
  /** A refresh token of a person who consented to both scopes. */
  refreshToken(): Promise<string>;
  /** What reached the token and revocation endpoints, the newest last. */
  readonly asked: { readonly path: string; readonly form: Record<string, string> }[];
  /** Tokens that the API was called with. */
  readonly presented: string[];
  isAlive(accessToken: string): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Starts it with two clients: `stint` (a secret, refresh tokens that rotate) and `stint-key` (a key, client
 * credentials). `GET /api/things` needs the scope `things.read`, `POST /api/things` needs `things.write`.
 */
export async function startAuthorizationServer(publicJwk: JWK): Promise<AuthorizationServer> {
  const issuer = `http://localhost:${await freePort()}`;
  const provider = new Provider(issuer, {
    scopes: ["things.read", "things.write", "offline_access"],
    features: {
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: false },
    },
    rotateRefreshToken: true,
    ttl: { AccessToken: 600, ClientCredentials: 600, RefreshToken: 86_400, Grant: 86_400 },
    clients: [
      {
        client_id: "stint",
        client_secret: CRM_SECRET,
        grant_types: ["refresh_token", "authorization_code"],
        redirect_uris: ["https://app.example/callback"],
        scope: "things.read things.write offline_access",
      },
      {
        client_id: "stint-key",
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_signing_alg: "ES256",
        jwks: { keys: [publicJwk as never] },
        grant_types: ["client_credentials"],
        response_types: [],
        redirect_uris: [],
        scope: "things.read things.write",
      },
    ],
  });
  const asked: AuthorizationServer["asked"] = [];
  const presented: string[] = [];
  const find = async (token: string) =>
    (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
  const oidc = provider.callback();
  const server: Server = createServer((incoming, outgoing) => {
    const { method = "", url = "" } = incoming;
    if (!url.startsWith("/api/")) {
      const body: Buffer[] = [];
      if (method === "POST") incoming.on("data", (chunk: Buffer) => void body.push(chunk));
      incoming.on("end", () => {
        const form = Object.fromEntries(new URLSearchParams(Buffer.concat(body).toString()));
        if (method === "POST") asked.push({ path: url, form });
      });
      void oidc(incoming, outgoing);
      return;
    }
    const token = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? "")?.[1] ?? "";
    presented.push(token);
    const needed = method === "GET" ? "things.read" : "things.write";
    void (async () => {
      const found = await find(token);
      const isGood = found !== undefined && (found.scope ?? "").split(" ").includes(needed);
      outgoing
        .writeHead(isGood ? 200 : 401, { "content-type": "application/json" })
        .end(JSON.stringify(isGood ? { things: [1, 2, 3] } : { error: "invalid_token" }));
    })();
  });
  await new Promise<void>((done) => void server.listen(Number(new URL(issuer).port), "127.0.0.1", done));
  return {
    issuer,
    asked,
    presented,
    async refreshToken() {
      const client = (await provider.Client.find("stint"))!;
      const scope = "things.read things.write offline_access";
      const grant = new provider.Grant({ accountId: "dana", clientId: "stint" });
      grant.addOIDCScope(scope);
      const grantId = await grant.save();
      const token = new provider.RefreshToken({
        client,
        accountId: "dana",
        grantId,
        scope,
        gty: "authorization_code",
        rotations: 0,
      } as never);
      return token.save();
    },
    isAlive: async (token) => (await find(token)) !== undefined,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
