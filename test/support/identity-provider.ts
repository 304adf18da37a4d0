import { createServer } from "node:http";
import { Provider, type Configuration } from "oidc-provider";
import { walkThrough } from "./human-at-provider.ts";

/** Who has an account at the provider. */
export interface Account {
  readonly sub: string;
  readonly groups?: readonly string[];
  /** How it looks at them when they sign in. */
  readonly acr?: string;
}

/** A certified identity provider with a login page of one field, on loopback. */
export interface IdentityProviderHost {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly accounts: Map<string, Account>;
  /**
   * A human's way through the provider, without a browser.
   *
   * @returns the address it sends the browser back to
   */
  signIn(address: string, login: string): Promise<URL>;
  close(): Promise<void>;
}

/** @param callback the one address that it may send browsers back to */
export async function startIdentityProvider(issuer: string, callback: string): Promise<IdentityProviderHost> {
  const client = { client_id: "stint", client_secret: "a-client-secret-of-32-characters!" };
  const accounts = new Map<string, Account>([
    ["dana", { sub: "u-dana", groups: ["approvers"], acr: "urn:example:mfa" }],
    ["sam", { sub: "u-sam", groups: ["approvers"], acr: "urn:example:mfa" }],
    ["mallory", { sub: "u-mallory", groups: [] }],
  ]);
  const provider = new Provider(issuer, configuration(client, callback, accounts));
  // It says on the console that plain http is for tests only, which this is.
  provider.on("server_error", (_, fault) => void process.stderr.write(`${String(fault)}\n`));
  const handle = provider.callback();
  const server = createServer((request, response) => {
    const interaction = /^\/interaction\/[^/]+$/.test(request.url ?? "");
    void (interaction ? interact(provider, accounts, request, response) : handle(request, response));
  });
  await new Promise<void>((done) => void server.listen(Number(new URL(issuer).port), "127.0.0.1", done));
  return {
    issuer,
    clientId: client.client_id,
    clientSecret: client.client_secret,
    accounts,
    signIn: (address, login) => walkThrough(address, login, callback),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

function configuration(
  client: { client_id: string; client_secret: string },
  callback: string,
  accounts: ReadonlyMap<string, Account>,
): Configuration {
  return {
    clients: [{ ...client, redirect_uris: [callback], response_types: ["code"], grant_types: ["authorization_code"] }],
    cookies: { keys: ["a key for this test alone"] },
    claims: { openid: ["sub", "groups", "acr", "auth_time"] },
    acrValues: ["urn:example:mfa", "urn:example:password"],
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, id) => {
      const account = [...accounts.values()].find(({ sub }) => sub === id);
      return account && { accountId: id, claims: () => ({ sub: id, groups: [...(account.groups ?? [])] }) };
    },
    async loadExistingGrant(ctx) {
      const { client: known, session, provider } = ctx.oidc;
      const grant = new provider.Grant({ clientId: known!.clientId, accountId: session!.accountId! });
      grant.addOIDCScope("openid");
      await grant.save();
      return grant;
    },
  };
}

async function interact(
  provider: Provider,
  accounts: ReadonlyMap<string, Account>,
  request: Parameters<ReturnType<Provider["callback"]>>[0],
  response: Parameters<ReturnType<Provider["callback"]>>[1],
): Promise<void> {
  if (request.method !== "POST") {
    response.setHeader("content-type", "text/html");
    response.end(
      `<!doctype html><html lang="en"><title>Provider</title><form method="post"><label>Login <input name="login"></label><button>Sign in</button></form>`,
    );
    return;
  }
  let body = "";
  for await (const chunk of request) body += String(chunk);
  const account = accounts.get(new URLSearchParams(body).get("login") ?? "");
  const result =
    account === undefined
      ? { error: "access_denied" }
      : { login: { accountId: account.sub, ...(account.acr === undefined ? {} : { acr: account.acr }) } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}
