import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority } from "./certificates.ts";

/** What the host answers at a path. */
export interface Published {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Never finishes the body. */
  readonly hang?: boolean;
}

/** A web server, with TLS, on which clients publish what they are. */
export interface MetadataHost {
  readonly host: string;
  /** A file with the authority that signed its certificate. */
  readonly authorityFile: string;
  url(path: string): string;
  publish(path: string, answer: Published | (() => Published)): string;
  /** Publishes a metadata document that is right except for these changes; answers its `client_id`. */
  publishClient(path: string, changes?: Record<string, unknown>): string;
  /** Paths that were asked for. */
  readonly hits: string[];
  close(): Promise<void>;
}

export async function startMetadataHost(): Promise<MetadataHost> {
  const authority = await makeAuthority();
  const directory = mkdtempSync(join(tmpdir(), "stint-ca-"));
  const authorityFile = join(directory, "ca.pem");
  writeFileSync(authorityFile, authority.cert);
  const published = new Map<string, Published | (() => Published)>();
  const hits: string[] = [];
  const server = createServer(await authority.issue("localhost"), (incoming, outgoing) => {
    const path = incoming.url ?? "";
    hits.push(path);
    const found = published.get(path) ?? { status: 404, body: "" };
    const { status = 200, headers, body = "", hang } = typeof found === "function" ? found() : found;
    outgoing.writeHead(status, { "content-type": "application/json", ...headers });
    if (hang === true) outgoing.write(body);
    else outgoing.end(body);
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  const url = (path: string): string => `https://${host}${path}`;
  const publish = (path: string, answer: Published | (() => Published)): string => {
    published.set(path, answer);
    return url(path);
  };
  return {
    host,
    authorityFile,
    url,
    publish,
    publishClient: (path, changes = {}) =>
      publish(path, { body: JSON.stringify({ ...clientDocument(url(path)), ...changes }) }),
    hits,
    close: () =>
      new Promise((done) => {
        rmSync(directory, { recursive: true, force: true });
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

export const RETURN_TO = "http://127.0.0.1/callback";

export function clientDocument(clientId: string): Record<string, unknown> {
  return {
    client_id: clientId,
    client_name: "Some editor",
    redirect_uris: [RETURN_TO],
    token_endpoint_auth_method: "none",
  };
}
