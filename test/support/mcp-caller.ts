import { newProofKey, StintClient } from "../../cli/agent-client.ts";
import { Approver } from "./approver.ts";
import { MCP_HEADERS } from "./json-rpc.ts";
import { proxied } from "./proxied.ts";
import { approvedSession, ask, tokenOf, type Approved, type TestWorld } from "./world.ts";

export const MCP_PATH = "/mcp";
export const MCP_VERSION = "2026-07-28";
export const READ = { type: "upstream_access", upstream: "echo", actions: ["things:read"] };
export const ASK = { title: "Read things", authorization_details: [READ], expires_in: 600 };

/** What a client declares that keeps tasks, and one that shows its human addresses. */
export const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };
export const URLS = { elicitation: { url: {} } };

export interface Caller extends Pick<Approved, "agent" | "sessionId"> {
  /** A token for Stint's own tools. */
  readonly token: string;
}

export async function caller(world: TestWorld, details: readonly object[] = [READ]): Promise<Caller & Approved> {
  const session = await approvedSession(world, { authorization_details: details });
  const token = tokenOf(await session.agent.exchange(session.sessionToken, world.issuer + MCP_PATH));
  return { ...session, token };
}

/** The same client with another key, and a session of its own. */
export async function sameClientOtherKey(world: TestWorld, { agent }: Caller): Promise<Caller> {
  const other = new StintClient(world.issuer, agent.clientId, world.keys.agent.privateJwk, await newProofKey());
  const { body } = await other.ask(ask({ authorization_details: [READ] }));
  const { session_id: sessionId, auth_req_id } = body as { session_id: string; auth_req_id: string };
  await (await Approver.bySlack(world, "dana", sessionId)).approve();
  const sessionToken = tokenOf(await other.poll(auth_req_id));
  return { agent: other, sessionId, token: tokenOf(await other.exchange(sessionToken, world.issuer + MCP_PATH)) };
}

type ToolResult = { isError?: boolean; content: { text: string }[] };
export type Told = Record<string, any> & { isError: boolean };

/** What a tool of Stint's own said. */
export function told(result: unknown): Told {
  const { isError = false, content } = result as ToolResult;
  return { ...(JSON.parse(content[0]!.text) as object), isError };
}

export interface RpcAnswer {
  readonly status: number;
  readonly result: any;
  readonly error: any;
  readonly text: string;
}

/** One request of 2026-07-28, written by hand. */
export async function rpc(
  { agent, token }: Caller,
  method: string,
  params: Record<string, unknown>,
  capabilities: object = {},
  headers: Record<string, string> = {},
): Promise<RpcAnswer> {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MCP_VERSION,
    "io.modelcontextprotocol/clientInfo": { name: "host", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  const body = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } });
  const name = params["name"] ?? params["taskId"];
  const said = {
    "mcp-protocol-version": MCP_VERSION,
    "mcp-method": method,
    ...(typeof name === "string" ? { "mcp-name": name } : {}),
  };
  const answer = await proxied(agent, token, MCP_PATH, {
    method: "POST",
    headers: { ...MCP_HEADERS, ...said, ...headers },
    body,
  });
  const { result, error } = read(answer.text);
  return { status: answer.status, result, error, text: answer.text };
}

/** A tool's call, as a client that keeps tasks and has nothing else, if nothing else is said. */
export function callTool(who: Caller, name: string, args: object, capabilities: object = TASKS): Promise<RpcAnswer> {
  return rpc(who, "tools/call", { name, arguments: args }, capabilities);
}

function read(text: string): Pick<RpcAnswer, "result" | "error"> {
  try {
    return JSON.parse(text) as RpcAnswer;
  } catch {
    return { result: undefined, error: undefined };
  }
}
