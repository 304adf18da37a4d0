import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { newProofKey, StintClient, type Answer } from "../../cli/agent-client.ts";
import { startWorld, type World, type WorldOptions } from "../../demo/world.ts";
import { Approver } from "./approver.ts";

/** More agents than one file of tests needs, because each has its own caps. */
const AGENTS = 60;

/** A world for attacks: many agents, and a second upstream whose every request is recorded. */
export interface TestWorld extends World {
  /** A client that no other test has used. */
  freshAgent(): Promise<StintClient>;
  /** What reached the second upstream. */
  readonly echo: EchoUpstream;
}

/** What an upstream saw of one request. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

export interface EchoUpstream {
  readonly url: string;
  readonly seen: SeenRequest[];
  /** How it answers; by default 200 with a little JSON. */
  answer: (request: SeenRequest) => { status: number; headers?: Record<string, string>; body?: string; cut?: boolean };
  /** Answers by hand instead, before the request's body is read. */
  byHand: ((incoming: IncomingMessage, outgoing: ServerResponse) => void) | undefined;
  close(): Promise<void>;
}

export async function startTestWorld(options: WorldOptions = {}): Promise<TestWorld> {
  const echo = await startEcho();
  const world = await startWorld({
    ...options,
    adjust: (document) => withTestParts(options.adjust?.(document) ?? document, echo.url),
  });
  let used = 0;
  return {
    ...world,
    echo,
    async freshAgent() {
      used += 1;
      if (used > AGENTS) throw new Error("this file needs more agents");
      return new StintClient(world.issuer, `bot-${used}`, world.keys.agent.privateJwk, await newProofKey());
    },
    async close() {
      await world.close();
      await echo.close();
    },
  };
}

export const READ_API = {
  type: "upstream_access",
  upstream: "github",
  actions: ["issues:read"],
  locations: ["acme/api"],
};
export const WRITE_API = {
  type: "upstream_access",
  upstream: "github",
  actions: ["issues:write"],
  locations: ["acme/api"],
};
export const ECHO = { type: "upstream_access", upstream: "echo", actions: ["things:read", "things:write"] };
export const TOOLS = { type: "mcp_tools", server: "tickets", actions: ["open_issue"] };

/** A request that the policy allows. */
export function ask(changes: Record<string, unknown> = {}): Parameters<StintClient["ask"]>[0] {
  return {
    task: { title: "A task" },
    authorization_details: [READ_API, WRITE_API, ECHO, TOOLS],
    expires_in: 600,
    ...changes,
  } as never;
}

/** An agent with an approved session. */
export interface Approved {
  readonly agent: StintClient;
  readonly sessionId: string;
  readonly authReqId: string;
  readonly sessionToken: string;
  /** A token for the proxy of an upstream. */
  proxyToken(upstream?: string): Promise<string>;
  serverToken(): Promise<string>;
}

export async function approvedSession(world: TestWorld, changes: Record<string, unknown> = {}): Promise<Approved> {
  const agent = await world.freshAgent();
  const asked = await agent.ask(ask(changes));
  if (asked.status !== 202) throw new Error(JSON.stringify(asked.body));
  const { session_id: sessionId, auth_req_id: authReqId } = asked.body;
  const decided = await (await Approver.bySlack(world, "dana", sessionId)).approve();
  if (decided.status !== 200) throw new Error(decided.html);
  const sessionToken = tokenOf(await agent.poll(authReqId));
  return {
    agent,
    sessionId,
    authReqId,
    sessionToken,
    proxyToken: async (upstream = "github") =>
      tokenOf(await agent.exchange(sessionToken, `${world.issuer}/proxy/${upstream}`)),
    serverToken: async () => tokenOf(await agent.exchange(sessionToken, "http://localhost:9/mcp")),
  };
}

/** The token in an answer; throws when it was a refusal. */
export function tokenOf(answer: Answer): string {
  const { access_token } = answer.body;
  if (typeof access_token !== "string") throw new Error(JSON.stringify(answer.body));
  return access_token;
}

function withTestParts(document: Record<string, unknown>, echoUrl: string): Record<string, unknown> {
  const { agents, upstreams, policies } = document as { agents: object[]; upstreams: object[]; policies: object[] };
  const [template] = agents as { client_id: string }[];
  const bots = Array.from({ length: AGENTS }, (_, at) => ({
    ...template,
    client_id: `bot-${at + 1}`,
    name: `Bot ${at + 1}`,
  }));
  const [policy] = policies as { agents: string[]; allow: string[] }[];
  return {
    // Tests leave requests undecided by the dozen.
    limits: { open_requests_per_approver: 500 },
    ...document,
    agents: [...agents, ...bots],
    upstreams: [
      ...upstreams,
      {
        id: "echo",
        connector: "api_key",
        base_url: echoUrl,
        api_key: { secret: "WEATHER_KEY" },
        header: "X-Api-Key",
        scheme: "",
        catalogue: {
          operations: {
            "things:read": { access: "read", title: "Read things", routes: ["GET /things", "GET /things/:id"] },
            "things:write": {
              access: "write",
              title: "Change things",
              cost: 3,
              routes: ["POST /things", "PUT /things/:id", "DELETE /things/:id"],
            },
            "secrets:read": { access: "read", title: "Read secrets", routes: ["GET /secrets"] },
          },
        },
      },
    ],
    policies: [
      {
        ...policy,
        agents: [...(policy?.agents ?? []), ...bots.map(({ client_id }) => client_id)],
        allow: [...(policy?.allow ?? []), "echo:things:read", "echo:things:write"],
      },
      ...policies.slice(1),
    ],
  };
}

async function startEcho(): Promise<EchoUpstream> {
  const seen: SeenRequest[] = [];
  const echo: { answer: EchoUpstream["answer"] } = {
    answer: () => ({ status: 200, headers: { "content-type": "application/json" }, body: '{"ok":true}' }),
  };
  const server: Server = createServer((incoming, outgoing) => {
    let body = "";
    if (result.byHand !== undefined) {
      seen.push({ method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers, body });
      return result.byHand(incoming, outgoing);
    }
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      const request = { method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers, body };
      seen.push(request);
      const { status, headers, body: text, cut } = result.answer(request);
      if (cut !== true) outgoing.writeHead(status, headers).end(text);
      else outgoing.writeHead(status, headers).write(text, () => outgoing.destroy());
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const result: EchoUpstream = {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    seen,
    answer: echo.answer,
    byHand: undefined,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return result;
}
