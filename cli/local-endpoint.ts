import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { forwardCall, say } from "./forward-call.ts";
import type { GrantedSession } from "./granted-session.ts";
import { isOwnUser } from "./peer-user.ts";

const SECRET_BYTES = 32;
const HOST = "127.0.0.1";

/** A door on loopback to what a session was granted, for programs that know nothing of Stint. */
export interface LocalEndpoint {
  /** Where an upstream's own API is found, without a final slash. */
  readonly baseOf: (upstream: string) => string;
  /** Ends it with every connection to it. */
  close(): Promise<void>;
}

/**
 * Opens the door on a free port. It lets in only this process's user (where the system tells who
 * connects), who knows the secret in the path, and addresses the loopback by its own name: a page in a
 * browser, also one whose name was made to lead here, does not.
 */
export async function openEndpoint(session: GrantedSession): Promise<LocalEndpoint> {
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  const strangers = new WeakSet();
  const server = createServer((incoming, outgoing) => {
    outgoing.on("error", () => undefined);
    if (strangers.has(incoming.socket)) return say(outgoing, 403, "this endpoint belongs to another user");
    const { port } = server.address() as AddressInfo;
    serve(session, secret, port, incoming, outgoing).catch(() => say(outgoing, 500, "the call failed"));
  });
  server.on("connection", (socket) => {
    if (!isOwnUser(socket)) strangers.add(socket);
  });
  // Uploads may take as long as the session lasts.
  server.requestTimeout = 0;
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(0, HOST, done);
  });
  const { port } = server.address() as AddressInfo;
  return {
    baseOf: (upstream) => `http://${HOST}:${port}/${secret}/${upstream}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  session: GrantedSession,
  secret: string,
  port: number,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  // DNS rebinding: a page's own name may lead here, but it stands in Host.
  const [host = "", ...more] = incoming.headersDistinct["host"] ?? [];
  if (more.length > 0 || ![`${HOST}:${port}`, `localhost:${port}`].includes(host))
    return say(outgoing, 421, "this endpoint answers to its loopback address alone");
  // Of pages, and of addresses that somebody opens, some come without Origin; browsers say the other of each.
  if (["origin", "sec-fetch-site"].some((name) => incoming.headers[name] !== undefined))
    return say(outgoing, 403, "this endpoint is not for pages in a browser");
  const match = /^\/([A-Za-z0-9_-]{1,64})\/([a-z0-9][a-z0-9._-]{0,63})(\/.*|\?.*|)$/.exec(incoming.url ?? "");
  const [, given = "", upstream = "", rest = ""] = match ?? [];
  if (!isSame(given, secret)) return say(outgoing, 404, "there is nothing here");
  if (!session.upstreams.includes(upstream)) return say(outgoing, 403, `nothing was granted of "${upstream}"`);
  const target = rest.startsWith("/") ? rest : `/${rest}`;
  const localBase = `http://${HOST}:${port}/${secret}/${upstream}`;
  await forwardCall({ session, upstream, target, localBase, incoming, outgoing });
}

function isSame(given: string, secret: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}
