import {
  request as plainRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { request as tlsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { GrantedSession, NoToken } from "./granted-session.ts";
import { KEPT_BYTES, ReplayableBody } from "./replayable-body.ts";

/** A stale nonce costs one attempt, a token that ended on the way another. */
const ATTEMPTS = 3;

/** RFC 9110 §7.6.1: said between two neighbours, not to be passed on. `Expect` was answered here already. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
];
/** Whatever the program believes its credential to be; Stint's goes in its place. */
const OWN_CREDENTIALS = ["authorization", "dpop", "cookie", "host", "referer"];
/** Between this endpoint and Stint alone. */
const NOT_FOR_PROGRAMS = ["dpop-nonce", "www-authenticate", "set-cookie"];

/** A call of the program's, and where its answer goes. */
export interface LocalCall {
  readonly session: GrantedSession;
  readonly upstream: string;
  /** Path and query under the upstream, as they were sent. */
  readonly target: string;
  /** What the program knows the upstream as. */
  readonly localBase: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** Passes a call on with token and proof, and its answer back, both streamed. */
export async function forwardCall(call: LocalCall): Promise<void> {
  const { session, upstream, incoming, outgoing } = call;
  const body = hasBody(incoming) ? new ReplayableBody(incoming) : undefined;
  if (body !== undefined && Number(incoming.headers["content-length"] ?? Infinity) > KEPT_BYTES)
    await session.freshenNonce();
  for (let attempt = 1; ; attempt += 1) {
    const token = await session.proxyToken(upstream);
    if (!token.ok) return sayNoToken(outgoing, token.error);
    // Who has hung up meanwhile does not have it done behind their back.
    if (outgoing.destroyed) return;
    const response = await send(call, token.value, body).catch(() => undefined);
    if (outgoing.destroyed) return void response?.destroy();
    if (response === undefined)
      return say(outgoing, 502, "Stint did not answer; whether the call had its effect is not known");
    session.keepNonce(one(response.headers["dpop-nonce"]));
    if (response.statusCode !== 401) return passBack(call, response);
    response.destroy();
    const error = /error="([a-z_]+)"/.exec(one(response.headers["www-authenticate"]) ?? "")?.[1] ?? "invalid_token";
    if (error === "invalid_token") {
      await session.forget(upstream, token.value);
      await session.look().catch(() => undefined);
      const { outcome } = session;
      if (outcome !== undefined) return sayNoToken(outgoing, { kind: "ended", outcome });
    }
    // A refused proof or token means that nothing reached the upstream: sending again is safe for every method.
    if (attempt === ATTEMPTS || body?.canReplay === false)
      return say(
        outgoing,
        503,
        `Stint refused the call's proof or token (${error}); nothing reached the upstream, send it again`,
      );
  }
}

/** One attempt: answers when the head of the response is there. */
async function send(call: LocalCall, token: string, body?: ReplayableBody): Promise<IncomingMessage> {
  const { session, upstream, target, incoming, outgoing } = call;
  const { issuer } = session.client;
  const path = `/proxy/${upstream}${target}`;
  const method = incoming.method ?? "GET";
  const dpop = await session.client.proofAtResource(method, issuer + path.split("?", 1)[0], token);
  const passed = without(incoming.headers, [...HOP_BY_HOP, ...OWN_CREDENTIALS]);
  const headers = { ...passed, authorization: `DPoP ${token}`, dpop };
  const onward = (issuer.startsWith("https:") ? tlsRequest : plainRequest)(issuer, { method, path, headers });
  const giveUp = (): void => void onward.destroy();
  outgoing.once("close", giveUp);
  onward.once("close", () => outgoing.off("close", giveUp));
  return new Promise((done, fail) => {
    // Stays after the answer has begun: what is left of the body then is nobody's concern.
    onward.on("error", fail);
    onward.once("response", done);
    if (body === undefined) onward.end();
    else pipeline(Readable.from(body.read()), onward).catch(giveUp);
  });
}

async function passBack(
  { session, upstream, localBase, outgoing }: LocalCall,
  response: IncomingMessage,
): Promise<void> {
  const headers = without(response.headers, [...HOP_BY_HOP, ...NOT_FOR_PROGRAMS]);
  const place = `${session.client.issuer}/proxy/${upstream}`;
  const location = one(headers["location"]);
  if (location?.startsWith(`${place}/`) === true) headers["location"] = localBase + location.slice(place.length);
  const links = one(headers["link"]);
  if (links !== undefined) headers["link"] = links.replaceAll(`<${place}/`, `<${localBase}/`);
  outgoing.writeHead(response.statusCode ?? 502, headers);
  outgoing.flushHeaders();
  // An answer that breaks off must break off here too, not look whole.
  await pipeline(response, outgoing).catch(() => outgoing.destroy());
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function without(headers: IncomingHttpHeaders, names: readonly string[]): IncomingHttpHeaders {
  // RFC 9110 §7.6.1: Connection may name more.
  const named = (headers.connection ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name) && !named.includes(name)));
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function sayNoToken(outgoing: ServerResponse, why: NoToken): void {
  switch (why.kind) {
    case "ended":
      return say(
        outgoing,
        401,
        `the session has ended (${why.outcome}); to go on, ask for a new one, which a human must approve`,
      );
    case "refused":
      return say(outgoing, 403, `Stint gives no token for this: ${why.why}`);
    case "unreachable":
      return say(outgoing, 503, "Stint cannot be reached; nothing was sent");
  }
}

/** A word of the endpoint's own, in plain text, so that it is told apart from the upstream's. */
export function say(outgoing: ServerResponse, status: number, text: string): void {
  if (outgoing.headersSent) return void outgoing.destroy();
  // The rest of a body that nobody wants is not waited for.
  outgoing.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" });
  outgoing.end(`stint: ${text}\n`);
}
