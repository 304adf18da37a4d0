import { exportJWK, generateKeyPair, type JWK } from "jose";
import { newProofKey, StintClient } from "../cli/agent-client.ts";
import { startBroker, type Broker } from "./broker.ts";
import { startEmulators, type Emulators } from "./emulators.ts";
import { freePort } from "./free-port.ts";

/** A registered client's key pair. */
export interface RegisteredKey {
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

/** One company: its services, its tenant document, and a broker that serves it. */
export interface World {
  readonly broker: Broker;
  readonly emulators: Emulators;
  readonly issuer: string;
  readonly document: Record<string, unknown>;
  readonly keys: { readonly agent: RegisteredKey; readonly otherAgent: RegisteredKey; readonly server: RegisteredKey };
  /** A client with a DPoP key of its own. */
  agent(): Promise<StintClient>;
  otherAgent(): Promise<StintClient>;
  server(): Promise<StintClient>;
  close(): Promise<void>;
}

export interface WorldOptions {
  /** Where the example MCP server will listen; its resource is built from it. */
  readonly serverPort?: number;
  /** Changes the tenant document before it is applied. */
  readonly adjust?: (document: Record<string, unknown>) => Record<string, unknown>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** Files of certificate authorities that the broker shall trust. */
  readonly extraCa?: readonly string[];
}

/** Starts everything on free ports, with fresh keys and an empty data directory. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const emulators = await startEmulators();
  const issuer = `http://localhost:${await freePort()}`;
  const [agent, otherAgent, server] = await Promise.all([
    newRegisteredKey("agent"),
    newRegisteredKey("other"),
    newRegisteredKey("server"),
  ]);
  const keys = { agent, otherAgent, server };
  const resource = `http://localhost:${options.serverPort ?? 9}/mcp`;
  const plain = tenantDocument(issuer, emulators, keys, resource, {
    dana: await emulators.slackId("dana"),
    sam: await emulators.slackId("sam"),
  });
  const document = options.adjust?.(plain) ?? plain;
  const broker = await startBroker({
    tenants: [document as { issuer: string }],
    port: Number(new URL(issuer).port),
    ...(options.extraCa === undefined ? {} : { extraCa: options.extraCa }),
    secrets: { ...emulators.secrets, WEATHER_KEY: "weather-secret-key", ...options.secrets },
  }).catch(async (fault: unknown) => {
    await emulators.close();
    throw fault;
  });
  const client = async (clientId: string, key: RegisteredKey) =>
    new StintClient(issuer, clientId, key.privateJwk, await newProofKey());
  return {
    broker,
    emulators,
    issuer,
    document,
    keys,
    agent: () => client("triage-bot", agent),
    otherAgent: () => client("other-bot", otherAgent),
    server: () => client("tickets", server),
    async close() {
      await broker.stop();
      await emulators.close();
    },
  };
}

async function newRegisteredKey(kid: string): Promise<RegisteredKey> {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const about = { kid, alg: "ES256" };
  return {
    privateJwk: { ...(await exportJWK(privateKey)), ...about },
    publicJwk: { ...(await exportJWK(publicKey)), ...about },
  };
}

function tenantDocument(
  issuer: string,
  emulators: Emulators,
  keys: World["keys"],
  resource: string,
  slack: { dana: string; sam: string },
): Record<string, unknown> {
  return {
    issuer,
    agents: [
      {
        client_id: "triage-bot",
        name: "Triage bot",
        owner: "sam@acme.example",
        jwks: { keys: [keys.agent.publicJwk] },
      },
      {
        client_id: "other-bot",
        name: "Release notes",
        owner: "sam@acme.example",
        jwks: { keys: [keys.otherAgent.publicJwk] },
      },
    ],
    people: [
      { id: "dana@acme.example", name: "Dana", roles: ["approver"], groups: ["platform"], slack: slack.dana },
      { id: "sam@acme.example", name: "Sam", roles: ["approver"], groups: ["platform"], slack: slack.sam },
    ],
    upstreams: [
      {
        id: "github",
        connector: "github_app",
        base_url: emulators.githubUrl,
        catalogue: "github",
        app_id: "12345",
        installation_id: "100",
        private_key: { secret: "GITHUB_APP_KEY" },
      },
    ],
    servers: [
      {
        id: "tickets",
        resource,
        owner: "sam@acme.example",
        trust: "remote",
        jwks: { keys: [keys.server.publicJwk] },
        tools: {
          list_issues: { access: "read", operations: ["github:issues:read"] },
          open_issue: { access: "write", operations: ["github:issues:write"] },
        },
      },
    ],
    policies: [
      {
        id: "triage",
        agents: ["triage-bot", "other-bot"],
        allow: ["github:issues:read@acme/*", "github:issues:write@acme/*", "mcp:tickets:*"],
        max_duration: "30m",
        approvers: ["group:platform"],
        assurance: "link",
      },
    ],
    notify: {
      slack: { channel: "approvals", token: { secret: "SLACK_BOT_TOKEN" }, base_url: `${emulators.slackUrl}/api` },
      email: {
        from: "stint@acme.example",
        resend: { api_key: { secret: "RESEND_API_KEY" }, base_url: emulators.resendUrl },
      },
    },
  };
}
