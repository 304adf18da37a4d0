import { createServer, type Server, type ServerResponse } from "node:http";
import { calculateJwkThumbprint, decodeProtectedHeader, type JWK } from "jose";
import { Provider, type ClientMetadata, type Configuration } from "oidc-provider";
import { freePort } from "../../demo/free-port.ts";
import { walkThrough } from "./human-at-provider.ts";

/** A resource that is not Stint's to guard, and the authorization server in front of it: `oidc-provider`. */
export interface ForeignProvider {
  readonly issuer: string;
  readonly resource: string;
  /** Clients that registered themselves, in the order they came. */
  readonly registered: ClientMetadata[];
  /** Who the resource let in. */
  readonly guests: { readonly clientId: string; readonly scope: string }[];
  /** A human who signs in, and agrees. */
  authorize(url: URL, callback: string): Promise<URL>;
  close(): Promise<void>;
}

export interface ForeignOptions {
  readonly authMethods: NonNullable<Configuration["clientAuthMethods"]>;
  readonly clients?: ClientMetadata[];
}

const SCOPE = "things:read";

/** Starts it. Its tokens are good at the resource alone, and with a proof of their key alone. */
export async function startForeignProvider({ authMethods, clients = [] }: ForeignOptions): Promise<ForeignProvider> {
  const issuer = `http://localhost:${await freePort()}`;
  const resource = `http://localhost:${await freePort()}/mcp`;
  const provider = new Provider(issuer, configuration(resource, authMethods, clients));
  const registered: ClientMetadata[] = [];
  provider.on("registration_create.success", (_, client) => void registered.push(client.metadata()));
  provider.on("server_error", (_, fault) => void process.stderr.write(`${String(fault)}\n`));
  const handle = provider.callback();
  const atProvider = createServer((request, response) => {
    if (!/^\/interaction\/[^/]+$/.test(request.url ?? "")) return void handle(request, response);
    if (request.method !== "POST") return void response.end("<form method=post><input name=login></form>");
    // A native program may be anybody's, so the provider has the human agree each time.
    const result = { login: { accountId: "dana" }, consent: {} };
    return void provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
  const guests: ForeignProvider["guests"] = [];
  const atResource = createServer((request, response) => {
    if (request.url === "/.well-known/oauth-protected-resource/mcp")
      return sendJson(response, { resource, authorization_servers: [issuer], scopes_supported: [SCOPE] });
    const token = /^DPoP (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    return void (async () => {
      const guest = token === undefined ? undefined : await findGuest(provider, token, request.headers["dpop"]);
      if (guest?.aud !== resource) return response.writeHead(401, { "www-authenticate": "DPoP" }).end();
      guests.push({ clientId: guest.clientId, scope: guest.scope });
      return sendJson(response, { things: [1, 2, 3] });
    })();
  });
  await Promise.all([listen(atProvider, issuer), listen(atResource, resource)]);
  return {
    issuer,
    resource,
    registered,
    guests,
    authorize: (url, callback) => walkThrough(url.href, "dana", callback),
    close: async () => void (await Promise.all([atProvider, atResource].map(stop))),
  };
}

function configuration(
  resource: string,
  clientAuthMethods: ForeignOptions["authMethods"],
  clients: ClientMetadata[],
): Configuration {
  return {
    clients,
    clientAuthMethods,
    cookies: { keys: ["a key for this test alone"] },
    scopes: [SCOPE],
    features: {
      registration: { enabled: true },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        getResourceServerInfo: (_, indicator) => {
          if (indicator !== resource) throw new Error("no such resource");
          return { scope: SCOPE, accessTokenFormat: "opaque", accessTokenTTL: 60 };
        },
      },
    },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    async loadExistingGrant(ctx) {
      const { client, session, provider } = ctx.oidc;
      const grant = new provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! });
      grant.addOIDCScope(SCOPE);
      grant.addResourceScope(resource, SCOPE);
      await grant.save();
      return grant;
    },
  };
}

/** Whose token it is, if the proof beside it is by the key that it is bound to. */
async function findGuest(provider: Provider, value: string, proof: string | string[] | undefined) {
  const token = (await provider.AccessToken.find(value)) ?? (await provider.ClientCredentials.find(value));
  if (token === undefined || typeof proof !== "string") return undefined;
  const { jkt, aud, clientId = "", scope = "" } = token as typeof token & { jkt?: string };
  const shown = await calculateJwkThumbprint(decodeProtectedHeader(proof).jwk as JWK);
  return jkt === shown ? { aud, clientId, scope } : undefined;
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

const listen = (server: Server, address: string): Promise<void> =>
  new Promise((done) => void server.listen(Number(new URL(address).port), "127.0.0.1", done));

const stop = (server: Server): Promise<void> =>
  new Promise((done) => {
    server.closeAllConnections();
    server.close(() => done());
  });
