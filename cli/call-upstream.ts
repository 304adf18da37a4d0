import { canonicalPath, canonicalQuery } from "../src/domain/proxy-path.ts";
import { err, ok, type Result } from "../src/domain/result.ts";
import type { GrantedSession, NoToken } from "./granted-session.ts";

/** More than a model reads at once; the rest of an answer is left out, and that is said. */
const ANSWER_BYTES = 256 * 1024;
const DEADLINE_MS = 60_000;
/** A stale nonce costs one attempt, a token that ended on the way another. */
const ATTEMPTS = 3;

export interface UpstreamCall {
  readonly upstream: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  readonly isCut: boolean;
}

export type CallFault = NoToken | { readonly kind: "bad_path" | "bad_body" | "no_answer" };

/** One call through the proxy, its answer read as text. */
export async function callUpstream(
  session: GrantedSession,
  call: UpstreamCall,
  signal: AbortSignal,
): Promise<Result<UpstreamAnswer, CallFault>> {
  const [beforeQuery = "", ...queries] = call.path.split("?");
  // Read as it stands, or not at all: a URL parser would mend `..` into another endpoint of Stint's.
  if (!canonicalPath(beforeQuery).ok || !canonicalQuery(queries.join("?")).ok) return err({ kind: "bad_path" });
  if (call.body !== undefined && ["GET", "HEAD"].includes(call.method)) return err({ kind: "bad_body" });
  const { issuer } = session.client;
  const path = `/proxy/${call.upstream}${call.path}`;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  for (let attempt = 1; ; attempt += 1) {
    const token = await session.proxyToken(call.upstream);
    if (!token.ok) return token;
    const dpop = await session.client.proofAtResource(call.method, issuer + path.split("?", 1)[0], token.value);
    const response = await fetch(issuer + path, {
      method: call.method,
      headers: {
        authorization: `DPoP ${token.value}`,
        dpop,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
      ...(body === undefined ? {} : { body }),
    }).catch(() => undefined);
    if (response === undefined) return err({ kind: "no_answer" });
    session.keepNonce(response.headers.get("dpop-nonce") ?? undefined);
    if (response.status !== 401 || attempt === ATTEMPTS) return readAnswer(response);
    const isNonce = response.headers.get("www-authenticate")?.includes('error="use_dpop_nonce"') === true;
    await response.body?.cancel();
    if (isNonce) continue;
    await session.forget(call.upstream, token.value);
    await session.look().catch(() => undefined);
  }
}

async function readAnswer(response: Response): Promise<Result<UpstreamAnswer, CallFault>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      bytes += chunk.length;
      // Leaving the loop gives the rest of the answer up.
      if (bytes > ANSWER_BYTES) break;
    }
  } catch {
    return err({ kind: "no_answer" });
  }
  const text = Buffer.concat(chunks).subarray(0, ANSWER_BYTES).toString();
  const contentType = response.headers.get("content-type") ?? "";
  return ok({ status: response.status, contentType, text, isCut: bytes > ANSWER_BYTES });
}
