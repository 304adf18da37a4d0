import { createServer } from "node:http";
import { decodeJwt } from "jose";

/** How long an approver may take to be told and to decide, in milliseconds. */
const DECISION_DEADLINE_MS = 60_000;

/** Stands in for Slack and for the people who read it: approves whatever it is told of. */
export interface Approvals {
  readonly url: string;
  /** Resolves when the session was approved. */
  of(sessionId: string): Promise<void>;
  close(): Promise<void>;
}

/** Takes Slack's messages, and goes through the approval pages of every link in them as a browser would. */
export async function startApprovals(): Promise<Approvals> {
  const decided = new Map<string, PromiseWithResolvers<void>>();
  const entry = (sessionId: string): PromiseWithResolvers<void> => {
    const known = decided.get(sessionId) ?? Promise.withResolvers<void>();
    decided.set(sessionId, known);
    return known;
  };
  const server = createServer((incoming, outgoing) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      outgoing.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
      const token = /\/approve#([A-Za-z0-9._-]+)/.exec(body)?.[1];
      if (token === undefined) return;
      const { iss, sid } = decodeJwt(token);
      const { resolve, reject } = entry(String(sid));
      void approve(String(iss), token).then(resolve, reject);
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    async of(sessionId) {
      const { promise, reject } = entry(sessionId);
      const timer = setTimeout(() => reject(new Error(`nobody was told of ${sessionId}`)), DECISION_DEADLINE_MS);
      await promise.finally(() => clearTimeout(timer));
      decided.delete(sessionId);
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

async function approve(issuer: string, token: string): Promise<void> {
  let cookie = "";
  const post = async (path: string, fields: Readonly<Record<string, string>>): Promise<string> => {
    const response = await fetch(issuer + path, {
      method: "POST",
      headers: { cookie },
      body: new URLSearchParams(fields),
    });
    cookie = response.headers.get("set-cookie")?.split(";", 1)[0] ?? cookie;
    const page = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return page;
  };
  const view = await post("/approve/view", { token });
  const csrf = field(view, "csrf");
  const unit = field(view, "unit.0");
  const review = await post("/approve/review", { token, csrf, "unit.0": unit, expires_in: "7200" });
  const [digest, grant] = [field(review, "digest"), field(review, "grant")];
  await post("/approve/decide", { token, csrf, decision: "approve", digest, grant });
}

function field(html: string, name: string): string {
  return (new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? "").replaceAll("&quot;", '"');
}
