import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { athOf, forgeProof } from "./forge.ts";
import type { Approved, TestWorld } from "./world.ts";

export interface ProvingAdapter {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A loopback address for clients that know no tokens: adds token and proof to each request and changes
 * nothing else. Its own name in `Host` and `Origin` stands for the broker's; any other passes as it is.
 */
export async function startProvingAdapter(
  world: TestWorld,
  { agent }: Approved,
  token: string,
  path: string,
): Promise<ProvingAdapter> {
  const { host } = new URL(world.issuer);
  let own = "";
  let nonce: string | undefined;

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    for (let attempt = 0; ; attempt += 1) {
      const answer = await send(incoming, Buffer.concat(chunks));
      const fresh = answer.headers["dpop-nonce"];
      if (typeof fresh === "string") nonce = fresh;
      const wantsNonce = String(answer.headers["www-authenticate"]).includes("use_dpop_nonce");
      if (attempt === 0 && wantsNonce) {
        answer.resume();
        continue;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      return;
    }
  }

  async function send(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const method = incoming.method ?? "GET";
    const dpop = await forgeProof(agent, { htm: method, htu: world.issuer + path, nonce, ath: athOf(token) });
    const { origin } = incoming.headers;
    const headers = {
      ...incoming.headers,
      host: incoming.headers.host === own ? host : incoming.headers.host,
      ...(origin === undefined ? {} : { origin: origin === `http://${own}` ? world.issuer : origin }),
      authorization: `DPoP ${token}`,
      dpop,
    };
    return new Promise((done, fail) => {
      const sent = request({ host: "127.0.0.1", port: world.broker.port, method, path, headers }, done);
      sent.on("error", fail);
      sent.end(body);
    });
  }

  const server = createServer((incoming, outgoing) => {
    void pass(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  own = `localhost:${typeof address === "object" && address !== null ? address.port : 0}`;
  return {
    url: `http://${own}${path}`,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
