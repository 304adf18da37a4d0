import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Where a native client's browser returns to. */
export interface LoopbackCallback {
  readonly url: string;
  /** The parameters of the first return. */
  readonly returned: Promise<URLSearchParams>;
  close(): Promise<void>;
}

export async function startCallback(): Promise<LoopbackCallback> {
  const { promise: returned, resolve } = Promise.withResolvers<URLSearchParams>();
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? "/", "http://localhost");
    if (url.pathname === "/callback") resolve(url.searchParams);
    outgoing.writeHead(200, { "content-type": "text/html" }).end("<title>Done</title>You can close this page.");
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    returned,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
