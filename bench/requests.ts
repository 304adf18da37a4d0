import { ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE_GRANT } from "../cli/agent-client.ts";
import { prepare, type Prepared } from "./load.ts";
import type { LiveSession, World } from "./world.ts";

/**
 * Exchanges for the proxy, each with a proof of its own, dealt out over the sessions.
 *
 * @param asking the session that the nonce is asked for with, which wakes its object
 */
export async function exchanges(
  world: World,
  sessions: readonly LiveSession[],
  count: number,
  asking = sessions[0]!,
): Promise<Prepared[]> {
  const nonce = await serverNonce(world, asking);
  return prepare(count, async (at) => {
    const { agent, token } = sessions[at % sessions.length]!;
    return {
      port: world.port,
      method: "POST",
      path: "/oauth/token",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        dpop: await agent.proof("POST", `${world.issuer}/oauth/token`, nonce),
      },
      body: new URLSearchParams({
        grant_type: TOKEN_EXCHANGE_GRANT,
        subject_token: token,
        subject_token_type: ACCESS_TOKEN_TYPE,
        resource: proxyOf(world),
      }).toString(),
    };
  });
}

/** A token of the session's for the proxy. */
export async function proxyToken(world: World, { agent, token }: LiveSession): Promise<string> {
  const { status, body } = await agent.exchange(token, proxyOf(world));
  if (status !== 200) throw new Error(JSON.stringify(body));
  return String(body["access_token"]);
}

/** Calls through the proxy, each with a proof of its own. */
export async function proxyCalls(
  world: World,
  { agent }: LiveSession,
  token: string,
  count: number,
  bytes: number,
): Promise<Prepared[]> {
  const nonce = (await agent.call(token, "GET", "/proxy/api/things")).headers.get("dpop-nonce") ?? "";
  return prepare(count, async () => ({
    port: world.port,
    method: "GET",
    path: `/proxy/api/things?bytes=${bytes}`,
    headers: {
      authorization: `DPoP ${token}`,
      dpop: await agent.proof("GET", `${world.issuer}/proxy/api/things`, nonce, token),
    },
  }));
}

/** Introspections, each with an assertion and a proof of its own. */
export async function introspections(world: World, session: LiveSession, count: number): Promise<Prepared[]> {
  const { agent, token } = session;
  const nonce = await serverNonce(world, session);
  return prepare(count, async () => ({
    port: world.port,
    method: "POST",
    path: "/oauth/introspect",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      dpop: await agent.proof("POST", `${world.issuer}/oauth/introspect`, nonce),
    },
    body: new URLSearchParams({ token, ...(await agent.assertion()) }).toString(),
  }));
}

async function serverNonce(world: World, { agent, token }: LiveSession): Promise<string> {
  return (await agent.exchange(token, proxyOf(world))).headers.get("dpop-nonce") ?? "";
}

function proxyOf({ issuer }: World): string {
  return `${issuer}/proxy/api`;
}
