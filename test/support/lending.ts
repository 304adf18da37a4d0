import type { Answer, StintClient } from "../../cli/agent-client.ts";
import { until } from "../../demo/until.ts";
import { claimsOf } from "./approver.ts";
import { approvedSession, type TestWorld } from "./world.ts";

/** A catalogue of an API with things, each operation with its scope. */
export const THINGS = {
  operations: {
    "things:read": { access: "read", title: "Read things", routes: ["GET /things"], scopes: ["things.read"] },
    "things:write": { access: "write", title: "Change things", routes: ["POST /things"], scopes: ["things.write"] },
  },
};

/** Adds upstreams to a tenant document, all of whose operations the policy allows. */
export function withUpstreams(
  document: Record<string, unknown>,
  added: readonly { readonly id: string }[],
): Record<string, unknown> {
  const { upstreams, policies } = document as { upstreams: object[]; policies: { allow: string[] }[] };
  return {
    ...document,
    upstreams: [...upstreams, ...added],
    policies: policies.map((policy) => ({
      ...policy,
      allow: [...policy.allow, ...added.flatMap(({ id }) => [`${id}:*`, `${id}:*@*`])],
    })),
  };
}

/** An approved session with operations of one upstream, and a token for its proxy. */
export interface Lent {
  readonly agent: StintClient;
  readonly sessionId: string;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Ends the session and answers what its receipt says. */
  end(): Promise<Record<string, unknown>>;
}

export async function lend(
  world: TestWorld,
  upstream: string,
  actions: readonly string[],
  locations?: readonly string[],
): Promise<Lent> {
  const session = await approvedSession(world, {
    authorization_details: [{ type: "upstream_access", upstream, actions, ...(locations && { locations }) }],
  });
  const { agent, sessionId, sessionToken } = session;
  const token = await session.proxyToken(upstream);
  return {
    agent,
    sessionId,
    call: (method, path, body) => agent.call(token, method, `/proxy/${upstream}${path}`, body),
    async end() {
      await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
      return receiptOf(world, sessionId);
    },
  };
}

export async function receiptOf(world: TestWorld, sessionId: string): Promise<Record<string, unknown>> {
  const receipt = await until("a receipt", async () => {
    const { status, body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}/receipt`);
    return status === 200 ? String(body["receipt"]) : undefined;
  });
  return claimsOf(receipt);
}
