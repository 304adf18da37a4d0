import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";

/** The GitHub emulator, with the one endpoint that it lacks. */
export interface RevocableGithub {
  readonly url: string;
  requests(): number;
  close(): Promise<void>;
}

/**
 * Stands in front of the GitHub emulator, which knows no `DELETE /installation/token`, and adds it as
 * GitHub documents it: 204, and from then on the token is answered 401. A hand-made stand-in for that
 * one endpoint; everything else is the emulator's.
 */
export async function withRevocation(emulatorUrl: string): Promise<RevocableGithub> {
  const revoked = new Set<string>();
  let requests = 0;
  const server = createServer((incoming, outgoing) => {
    requests += 1;
    const authorization = incoming.headers.authorization ?? "";
    if (revoked.has(authorization)) answer(outgoing, 401, { message: "Bad credentials" });
    else if (incoming.method === "DELETE" && incoming.url === "/installation/token") {
      revoked.add(authorization);
      answer(outgoing, 204);
    } else passOn(emulatorUrl, incoming, outgoing);
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://localhost:${port}`,
    requests: () => requests,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

function answer(outgoing: ServerResponse, status: number, body?: object): void {
  outgoing
    .writeHead(status, { "content-type": "application/json" })
    .end(body === undefined ? undefined : JSON.stringify(body));
}

function passOn(emulatorUrl: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { host: _, ...headers } = incoming.headers;
  const { hostname, port } = new URL(emulatorUrl);
  const onward = request({ host: hostname, port, method: incoming.method, path: incoming.url, headers }, (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(outgoing);
  });
  onward.on("error", () => answer(outgoing, 502));
  incoming.pipe(onward);
}
