import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Readable } from "node:stream";

export interface Listening {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/**
 * Serves a `fetch` handler on loopback by Node's own server.
 *
 * @param origin that requests are taken to be for, whatever their Host header says
 */
export async function listen(
  port: number,
  origin: string,
  handle: (request: Request) => Response | Promise<Response>,
): Promise<Listening> {
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const response = await handle(toRequest(incoming, origin));
    // What was not read of a body would be taken for the next request.
    outgoing.shouldKeepAlive &&= incoming.complete;
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) outgoing.write(chunk);
    outgoing.end();
  };
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((done) => void server.listen(port, "127.0.0.1", done));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

/** A request of Node's server as the Web's. */
export function toRequest(incoming: IncomingMessage, origin: string): Request {
  const method = incoming.method ?? "GET";
  const headers = new Headers();
  // One by one: what came twice arrives joined, and nothing is dropped.
  for (const [name, values] of Object.entries(incoming.headersDistinct))
    for (const value of values ?? []) headers.append(name, value);
  const bodyless = method === "GET" || method === "HEAD";
  const body = bodyless ? {} : { body: Readable.toWeb(incoming), duplex: "half" };
  return new Request(origin + (incoming.url ?? "/"), { method, headers, ...body } as RequestInit);
}
