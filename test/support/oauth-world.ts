import { exportJWK, generateKeyPair, type CryptoKey, type JWK } from "jose";
import type { WorldOptions } from "../../demo/world.ts";
import { readFields, Approver } from "./approver.ts";
import { startTestWorld, type TestWorld } from "./world.ts";

/** A client's key pair, with the public half registered. */
export interface ClientKey {
  readonly privateKey: CryptoKey;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

/** More web applications than one file of tests needs, because each has its own caps. */
const WEB_APPS = 250;

/** A world with clients that speak OAuth alone: a web application, a native program, a generic MCP host. */
export interface OAuthWorld extends TestWorld {
  readonly webKey: ClientKey;
}

export const WEB_APP = { client_id: "web-app", redirect_uri: "https://app.example/callback" } as const;
export const NATIVE_APP = { client_id: "native-app", redirect_uri: "http://127.0.0.1/callback" } as const;
/** Sends no proofs, and is allowed not to at `notes`. */
export const MCP_HOST = { client_id: "mcp-host", redirect_uri: "http://localhost/callback" } as const;
/** A server that takes tokens that are bound to no key. */
export const NOTES = "http://localhost:9/notes";
/** A server whose every tool writes. */
export const POSTS = "http://localhost:9/posts";
export const TICKETS = "http://localhost:9/mcp";

export async function startOAuthWorld(options: WorldOptions & { notesResource?: string } = {}): Promise<OAuthWorld> {
  const webKey = await newClientKey("web");
  const world = await startTestWorld({
    ...options,
    adjust: (document) =>
      withOAuthClients(options.adjust?.(document) ?? document, webKey, options.notesResource ?? NOTES),
  });
  return { ...world, webKey };
}

export async function newClientKey(kid: string, alg = "ES256"): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return {
    privateKey,
    privateJwk: { ...(await exportJWK(privateKey)), kid, alg },
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg },
  };
}

function withOAuthClients(
  document: Record<string, unknown>,
  webKey: ClientKey,
  notes: string,
): Record<string, unknown> {
  const { agents, servers, policies } = document as { agents: object[]; servers: object[]; policies: object[] };
  const owner = "sam@acme.example";
  const webApps = Array.from({ length: WEB_APPS }, (_, at) => ({
    client_id: `web-${at + 1}`,
    name: `Web application ${at + 1}`,
    owner,
    jwks: { keys: [webKey.publicJwk] },
    redirect_uris: [WEB_APP.redirect_uri],
  }));
  const [policy] = policies as { agents: string[]; allow: string[] }[];
  return {
    ...document,
    agents: [
      ...agents,
      ...webApps,
      {
        client_id: "web-app",
        name: "Web application",
        owner,
        jwks: { keys: [webKey.publicJwk] },
        redirect_uris: [WEB_APP.redirect_uri],
      },
      {
        client_id: "native-app",
        name: "Native program",
        owner,
        token_endpoint_auth_method: "none",
        redirect_uris: [NATIVE_APP.redirect_uri],
      },
      {
        client_id: "mcp-host",
        name: "MCP host",
        owner,
        token_endpoint_auth_method: "none",
        redirect_uris: [MCP_HOST.redirect_uri, "http://127.0.0.1/callback"],
        dpop_bound_access_tokens: false,
      },
    ],
    servers: [
      ...servers,
      {
        id: "notes",
        resource: notes,
        owner,
        trust: "remote",
        jwks: { keys: [webKey.publicJwk] },
        dpop_bound_access_tokens_required: false,
        tools: { list_notes: { access: "read", operations: [] }, write_note: { access: "write", operations: [] } },
      },
      {
        id: "posts",
        resource: POSTS,
        owner,
        trust: "remote",
        jwks: { keys: [webKey.publicJwk] },
        tools: { write_post: { access: "write", operations: [] } },
      },
    ],
    policies: [
      {
        ...policy,
        id: "oauth",
        agents: ["web-app", "native-app", "mcp-host", ...webApps.map(({ client_id }) => client_id)],
        allow: [...(policy?.allow ?? []), "mcp:notes:*", "mcp:posts:*"],
      },
      ...policies,
    ],
  };
}

/** A human at a browser, without a browser: follows pages, posts their forms, keeps their cookie. */
export class Visitor {
  readonly #world: TestWorld;
  cookie = "";
  fields = new Map<string, string>();
  /** The session that the waiting page is about. */
  sessionId = "";

  constructor(world: TestWorld) {
    this.#world = world;
  }

  /** Opens the authorization page. */
  async open(url: string | URL): Promise<Response> {
    const response = await fetch(url, { redirect: "manual", headers: { cookie: this.cookie } });
    this.fields = readFields(await response.clone().text());
    return response;
  }

  /** Says who is here, and waits. */
  async begin(person = "dana@acme.example", changes: Record<string, string> = {}): Promise<Response> {
    const response = await this.post("/oauth/authorize", { ...Object.fromEntries(this.fields), person, ...changes });
    this.fields = readFields(await response.clone().text());
    this.sessionId = this.fields.get("session") ?? "";
    return response;
  }

  /** The link that Dana was sent, opened in this browser. */
  link(): Promise<Approver> {
    return Approver.bySlack(this.#world, "dana", this.sessionId, this.cookie);
  }

  /** Goes on to the client, once it is decided. */
  continue(changes: Record<string, string> = {}): Promise<Response> {
    return this.post("/oauth/authorize/continue", { ...Object.fromEntries(this.fields), ...changes });
  }

  /** Asks whether it is decided, as the page's script does. */
  look(): Promise<Response> {
    return this.post("/oauth/authorize/continue", Object.fromEntries(this.fields), { accept: "application/json" });
  }

  async post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
    const { issuer } = this.#world;
    const response = await fetch(issuer + path, {
      method: "POST",
      redirect: "manual",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        origin: issuer,
        cookie: this.cookie,
        ...headers,
      },
      body: new URLSearchParams(fields),
    });
    const set = response.headers.get("set-cookie");
    if (set !== null) this.cookie = set.split(";", 1)[0] ?? "";
    return response;
  }
}

/** The whole of a human's part: opens, begins, approves; answers where the browser returns to. */
export async function authorizeAs(world: TestWorld, url: string | URL): Promise<URL> {
  const visitor = new Visitor(world);
  const page = await visitor.open(url);
  if (page.status !== 200) throw new Error(`${page.status} ${page.headers.get("location") ?? (await page.text())}`);
  await visitor.begin();
  const decided = await (await visitor.link()).approve();
  if (decided.status !== 200) throw new Error(decided.html);
  const back = await visitor.continue();
  const location = back.headers.get("location");
  if (location === null) throw new Error(await back.text());
  return new URL(location);
}
