import { createServer } from "node:http";
import { until } from "../../demo/until.ts";

/** Takes Slack's messages, and approves what the links in them ask, in the order in which they came. */
export interface LinkSink {
  readonly url: string;
  /** Goes through the approval pages as an approver's browser would, with the next link. */
  approve(issuer: string): Promise<void>;
  close(): Promise<void>;
}

/** A stand-in for Slack that only keeps links: for where an approval is needed and a workspace is not. */
export async function startLinkSink(): Promise<LinkSink> {
  const links: string[] = [];
  const server = createServer((incoming, outgoing) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      const token = /\/approve#([A-Za-z0-9._-]+)/.exec(body)?.[1];
      if (token !== undefined) links.push(token);
      outgoing.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    async approve(issuer) {
      const token = await until("a link", async () => links.shift());
      let cookie = "";
      const post = async (path: string, fields: Record<string, string>): Promise<string> => {
        const response = await fetch(issuer + path, {
          method: "POST",
          headers: { cookie },
          body: new URLSearchParams(fields),
        });
        cookie = response.headers.get("set-cookie")?.split(";", 1)[0] ?? cookie;
        return response.text();
      };
      const field = (html: string, name: string): string =>
        (new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? "").replaceAll("&quot;", '"');
      const view = await post("/approve/view", { token });
      const csrf = field(view, "csrf");
      const review = await post("/approve/review", {
        token,
        csrf,
        "unit.0": field(view, "unit.0"),
        expires_in: "3600",
      });
      await post("/approve/decide", {
        token,
        csrf,
        decision: "approve",
        digest: field(review, "digest"),
        grant: field(review, "grant"),
      });
    },
    close: () => new Promise((done) => void server.close(() => done())),
  };
}
