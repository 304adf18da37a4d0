import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";

/** What an authorization server was asked: token and revocation requests alike. */
export interface AskedForm {
  readonly path: string;
  readonly form: Record<string, string>;
}

export interface TokenReply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body: unknown;
}

/** A token endpoint that misbehaves as it is told. A hand-made stand-in: real servers behave. */
export interface TokenEndpoint {
  readonly url: string;
  readonly asked: AskedForm[];
  /** The calls that reached the API behind it, at `/api`, which always answers. */
  readonly called: { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders }[];
  /** How it answers; `cut` ends the connection in place of an answer. */
  reply: (asked: AskedForm) => TokenReply | "cut" | Promise<TokenReply | "cut">;
  close(): Promise<void>;
}

/** A good answer, unless told otherwise. */
export function tokenReply(changes: Record<string, unknown> = {}): TokenReply {
  return { body: { access_token: "at-good", token_type: "Bearer", expires_in: 600, ...changes } };
}

export async function startTokenEndpoint(): Promise<TokenEndpoint> {
  const send = async (outgoing: ServerResponse, asked: AskedForm): Promise<void> => {
    const reply = await endpoint.reply(asked);
    if (reply === "cut") {
      outgoing.destroy();
      return;
    }
    const { status = 200, headers = { "content-type": "application/json" }, body } = reply;
    outgoing.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const server: Server = createServer((incoming, outgoing) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      const { method = "", url = "", headers } = incoming;
      if (url.startsWith("/api/")) {
        endpoint.called.push({ method, url, headers });
        outgoing.writeHead(200, { "content-type": "application/json" }).end("{}");
        return;
      }
      const asked = { path: url, form: Object.fromEntries(new URLSearchParams(body)) };
      endpoint.asked.push(asked);
      void send(outgoing, asked);
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const endpoint: TokenEndpoint = {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    asked: [],
    called: [],
    reply: () => tokenReply(),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return endpoint;
}
