import { createHash } from "node:crypto";
import { Hono } from "hono";
import { freePort } from "../../demo/free-port.ts";
import { listen, type Listening } from "../../examples/listen.ts";
import { ticketServer } from "../../examples/ticket-server/tickets.ts";
import { Agent, type ProofKey, type Session } from "../../sdk/agent/index.ts";
import { Guard, type Access, type GuardOptions } from "../../sdk/server/index.ts";
import { guarded, metadataOf } from "../../sdk/server/hono.ts";
import { Approver } from "./approver.ts";
import { startTestWorld, type TestWorld } from "./world.ts";

const KINDS = ["mcp", "hono", "plain", "offline", "nonces"] as const;
export type Kind = (typeof KINDS)[number];
const TOOLS = { list_issues: "read", open_issue: "write" } as const;

/** A world with servers that guard themselves by the SDK, one of each kind. */
export interface GuardedWorld extends TestWorld {
  /** The resource URI of a server. */
  readonly resource: Record<Kind, string>;
  /** The registered id of a server. */
  readonly serverId: (kind: Kind) => string;
  /** An approved session for tools of a server, and for what they need at GitHub. */
  approvedFor(kind: Kind, tools: readonly string[], proofKey?: ProofKey): Promise<Session>;
  /** A guard like a server's own, changed. */
  guard(kind: Kind, changes?: Partial<GuardOptions>): Guard;
}

export async function startGuardedWorld(): Promise<GuardedWorld> {
  const ports = Object.fromEntries(await Promise.all(KINDS.map(async (kind) => [kind, await freePort()] as const)));
  const serverId = (kind: Kind): string => (kind === "mcp" ? "tickets" : `tickets-${kind}`);
  const resource = Object.fromEntries(KINDS.map((kind) => [kind, `http://localhost:${ports[kind]}/${PATHS[kind]}`]));
  const world = await startTestWorld({
    serverPort: ports["mcp"]!,
    adjust: (document) => withServers(document, serverId, resource as GuardedWorld["resource"]),
  });
  const guard: GuardedWorld["guard"] = (kind, changes = {}) =>
    new Guard({
      issuer: world.issuer,
      server: serverId(kind),
      resource: resource[kind]!,
      key: world.keys.server.privateJwk,
      tools: TOOLS,
      ...changes,
    });
  const { issuer, keys } = world;
  const nonceSecret = createHash("sha256").update(issuer).digest();
  const handlers: Record<Kind, (request: Request) => Response | Promise<Response>> = {
    mcp: ticketServer({ issuer, resource: resource["mcp"]!, key: keys.server.privateJwk }),
    hono: honoApp(guard("hono")).fetch,
    plain: plainHandler(guard("plain")),
    offline: plainHandler(guard("offline", { check: "offline" })),
    nonces: plainHandler(guard("nonces", { nonceSecret: new Uint8Array(nonceSecret) })),
  };
  const listening: Listening[] = await Promise.all(
    KINDS.map((kind) => listen(ports[kind]!, `http://localhost:${ports[kind]}`, handlers[kind])),
  );
  return {
    ...world,
    resource: resource as GuardedWorld["resource"],
    serverId,
    guard,
    async approvedFor(kind, tools, proofKey) {
      const { clientId } = await world.freshAgent();
      const given = proofKey === undefined ? {} : { proofKey };
      const pending = await new Agent({ issuer, clientId, key: keys.agent.privateJwk, ...given }).ask({
        task: { title: "Issues" },
        authorization_details: [
          { type: "mcp_tools", server: serverId(kind), actions: tools },
          {
            type: "upstream_access",
            upstream: "github",
            actions: ["issues:read", "issues:write"],
            locations: ["acme/api"],
          },
        ],
        expires_in: 600,
      });
      await (await Approver.bySlack(world, "dana", pending.id)).approve();
      return pending.wait();
    },
    async close() {
      await Promise.all(listening.map(({ close }) => close()));
      await world.close();
    },
  };
}

const PATHS: Record<Kind, string> = {
  mcp: "mcp",
  hono: "tickets",
  plain: "tickets",
  offline: "tickets",
  nonces: "tickets",
};

function withServers(
  document: Record<string, unknown>,
  serverId: (kind: Kind) => string,
  resource: Record<Kind, string>,
): Record<string, unknown> {
  const [template] = document["servers"] as object[];
  const [policy] = document["policies"] as { allow: string[] }[];
  const more = KINDS.filter((kind) => kind !== "mcp");
  return {
    ...document,
    servers: [template, ...more.map((kind) => ({ ...template, id: serverId(kind), resource: resource[kind] }))],
    policies: [{ ...policy, allow: [...(policy?.allow ?? []), ...more.map((kind) => `mcp:${serverId(kind)}:*`)] }],
  };
}

function honoApp(guard: Guard): Hono {
  const app = new Hono();
  app.use(metadataOf(guard));
  app.get("/tickets", guarded(guard, "list_issues"), (c) => listIssues(c.var.access));
  app.post("/tickets", guarded(guard, "open_issue"), (c) => openIssue(c.var.access, c.req.raw));
  return app;
}

function plainHandler(guard: Guard): (request: Request) => Promise<Response> {
  return guard.protect(
    ({ method }) => (method === "GET" ? ["list_issues"] : ["open_issue"]),
    (request, access) => (request.method === "GET" ? listIssues(access) : openIssue(access, request)),
  );
}

async function listIssues(access: Access): Promise<Response> {
  const { body, status } = await access.upstream("github")("/repos/acme/api/issues");
  return new Response(body, { status });
}

async function openIssue(access: Access, request: Request): Promise<Response> {
  const { body, status } = await access.upstream("github")("/repos/acme/api/issues", {
    method: "POST",
    body: await request.text(),
    headers: { "content-type": "application/json" },
  });
  return new Response(body, { status });
}
