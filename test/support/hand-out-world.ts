import { compactDecrypt, exportJWK, generateKeyPair, type CryptoKey, type JWK } from "jose";
import { newProofKey, StintClient, type Answer } from "../../cli/agent-client.ts";
import { THINGS, withUpstreams } from "./lending.ts";
import { startTokenEndpoint, type TokenEndpoint } from "./token-endpoint.ts";
import { approvedSession, READ_API, startTestWorld, tokenOf, WRITE_API, type TestWorld } from "./world.ts";

export const UPSTREAM_TOKEN = "urn:stint:params:oauth:token-type:upstream_token";
export const TICKETS = "http://localhost:9/mcp";
export const WIKI = "http://localhost:9/wiki";
export const PLAIN = "http://localhost:9/plain";

const TOOLS = {
  open_issue: { access: "write", operations: ["github:issues:write"] },
  list_issues: { access: "read", operations: ["github:issues:read"] },
  sync: { access: "write", operations: ["svc:things:read", "svc:things:write"] },
};

/** What a server finds in what it was handed. */
export interface Opened {
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
  /** What stands in the upstream's `Authorization` header. */
  readonly value: string;
}

/** Three servers, of which `tickets` (P-256) and `wiki` (RSA) may be handed tokens, and `plain` may not. */
export interface HandOutWorld extends TestWorld {
  readonly endpoint: TokenEndpoint;
  readonly ecKey: CryptoKey;
  readonly rsaKey: CryptoKey;
  serverNamed(id: string): Promise<StintClient>;
  /** An approved session with tools of a server, and the token that this server was given. */
  atServer(options?: {
    server?: string;
    tools?: readonly string[];
    details?: readonly object[];
  }): Promise<{ sessionId: string; sessionToken: string; agent: StintClient; server: StintClient; token: string }>;
  /** Applies the document with a change, does something, and puts it back. */
  meanwhile<T>(change: (document: Loose) => void, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export type Loose = Record<string, Record<string, unknown>[]>;

export const SVC_ACCESS = { type: "upstream_access", upstream: "svc", actions: ["things:read", "things:write"] };
const GITHUB_ACCESS = [READ_API, WRITE_API];
const RESOURCES: Record<string, string> = { tickets: TICKETS, wiki: WIKI, plain: PLAIN };

export async function startHandOutWorld(): Promise<HandOutWorld> {
  const endpoint = await startTokenEndpoint();
  const ec = await generateKeyPair("ECDH-ES+A256KW", { crv: "P-256", extractable: true });
  const rsa = await generateKeyPair("RSA-OAEP-256", { extractable: true });
  const publicEc = { ...(await exportJWK(ec.publicKey)), kid: "tickets-enc", use: "enc" };
  const publicRsa = { ...(await exportJWK(rsa.publicKey)), kid: "wiki-enc" };
  const world = await startTestWorld({
    adjust: (document) => {
      const [tickets] = document["servers"] as object[];
      const [policy] = document["policies"] as { allow: string[] }[];
      const base = { ...tickets, tools: TOOLS };
      return withUpstreams(
        {
          ...document,
          servers: [
            { ...base, hand_out: ["github", "svc"], encryption_key: publicEc },
            { ...base, id: "wiki", resource: WIKI, hand_out: ["github"], encryption_key: publicRsa },
            { ...base, id: "plain", resource: PLAIN },
          ],
          policies: [{ ...policy, allow: [...policy!.allow, "mcp:tickets:*", "mcp:wiki:*", "mcp:plain:*"] }],
        },
        [
          {
            id: "svc",
            connector: "oauth2",
            base_url: `${endpoint.url}/api`,
            catalogue: THINGS,
            grant_type: "client_credentials",
            token_endpoint: `${endpoint.url}/token`,
            client_id: "stint",
            client_secret: { secret: "WEATHER_KEY" },
          } as never,
        ],
      );
    },
  });
  const serverNamed = async (id: string) =>
    new StintClient(world.issuer, id, world.keys.server.privateJwk as JWK, await newProofKey());
  return {
    ...world,
    endpoint,
    ecKey: ec.privateKey,
    rsaKey: rsa.privateKey,
    serverNamed,
    async atServer({ server = "tickets", tools = ["open_issue", "list_issues"], details = GITHUB_ACCESS } = {}) {
      const session = await approvedSession(world, {
        authorization_details: [...details, { type: "mcp_tools", server, actions: tools }],
      });
      const token = tokenOf(await session.agent.exchange(session.sessionToken, RESOURCES[server]!));
      return { ...session, token, server: await serverNamed(server) };
    },
    async meanwhile(change, work) {
      const changed = structuredClone(world.document) as Loose;
      change(changed);
      const applied = await world.broker.admin("POST", "/admin/tenant", changed);
      if (applied.status !== 200) throw new Error(JSON.stringify(applied.body));
      try {
        return await work();
      } finally {
        await world.broker.admin("POST", "/admin/tenant", world.document);
      }
    },
    async close() {
      await world.close();
      await endpoint.close();
    },
  };
}

/** A server asks for an upstream's own token. */
export function handOut(
  world: HandOutWorld,
  server: StintClient,
  token: string,
  upstream = "github",
  more: Record<string, string> = {},
): Promise<Answer> {
  const target = `${world.issuer}/proxy/${upstream}`;
  return server.exchange(token, target, { requested_token_type: UPSTREAM_TOKEN, ...more }, true);
}

export async function open(answer: Answer, key: CryptoKey): Promise<Opened> {
  const { plaintext, protectedHeader } = await compactDecrypt(tokenOf(answer), key);
  const claims = JSON.parse(new TextDecoder().decode(plaintext)) as Record<string, unknown>;
  return { header: { ...protectedHeader }, claims, value: String(claims["value"]) };
}

/** Calls GitHub itself, past the proxy, with what was handed out. */
export async function atGithub(world: HandOutWorld, value: string, method: string, path: string): Promise<number> {
  const { status } = await fetch(world.emulators.githubUrl + path, {
    method,
    headers: { authorization: value, "content-type": "application/json" },
    ...(method === "GET" ? {} : { body: JSON.stringify({ title: "By the server itself" }) }),
  });
  return status;
}
