import { request, type IncomingMessage } from "node:http";
import { athOf, forgeProof } from "./forge.ts";
import type { Approved, TestWorld } from "./world.ts";

/** What came back of a call: as much as came, and whether that was all. */
export interface Relayed {
  /** 0 where not even the head came. */
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly isCut: boolean;
}

/** Calls the second upstream through the proxy, and looks at its answers byte by byte. */
export class ProxyCaller {
  readonly #world: TestWorld;
  readonly #session: Approved;
  readonly #token: string;
  #nonce: string | undefined;

  constructor(world: TestWorld, session: Approved, token: string) {
    this.#world = world;
    this.#session = session;
    this.#token = token;
  }

  /** The headers with which one call may be made. */
  async credentials(method: string, path: string): Promise<{ authorization: string; dpop: string }> {
    this.#nonce ??= await this.#askForNonce();
    const htu = this.#world.issuer + path.split("?", 1)[0];
    const ath = athOf(this.#token);
    const dpop = await forgeProof(this.#session.agent, { htm: method, htu, nonce: this.#nonce, ath });
    return { authorization: `DPoP ${this.#token}`, dpop };
  }

  /** Sends a call and waits for the head of its answer. */
  async begin(
    method = "GET",
    path = "/proxy/echo/things",
    headers: Record<string, string | string[]> = {},
    body?: string | Uint8Array,
  ): Promise<IncomingMessage> {
    const credentials = await this.credentials(method, path);
    return new Promise((done, fail) => {
      const sent = request(
        {
          host: "127.0.0.1",
          port: this.#world.broker.port,
          method,
          path,
          headers: { host: new URL(this.#world.issuer).host, ...credentials, ...headers },
        },
        done,
      );
      sent.on("error", fail);
      sent.end(body);
    });
  }

  /** Sends a call and waits for all of its answer. */
  async call(...call: Parameters<ProxyCaller["begin"]>): Promise<Relayed> {
    const response = await this.begin(...call).catch(cutAtOnce);
    return response === undefined ? NOTHING : wholeOf(response);
  }

  /** A proof without a nonce is refused, and told one; nothing reaches the upstream. */
  async #askForNonce(): Promise<string> {
    const url = `${this.#world.issuer}/proxy/echo/things`;
    const dpop = await forgeProof(this.#session.agent, { htm: "GET", htu: url, ath: athOf(this.#token) });
    const { headers } = await fetch(url, { headers: { authorization: `DPoP ${this.#token}`, dpop } });
    return headers.get("dpop-nonce") ?? "";
  }
}

const NOTHING: Relayed = { status: 0, headers: {}, body: "", isCut: true };

/** An answer that breaks off takes its head along, if that has not left yet. */
function cutAtOnce(fault: NodeJS.ErrnoException): undefined {
  if (fault.code !== "ECONNRESET") throw fault;
}

/** Reads an answer to its end, or to where it was cut. */
export async function wholeOf(response: IncomingMessage): Promise<Relayed> {
  const chunks: Buffer[] = [];
  const isCut = await new Promise<boolean>((done) => {
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => done(false));
    response.on("error", () => done(true));
  });
  const body = Buffer.concat(chunks).toString("latin1");
  return { status: response.statusCode ?? 0, headers: response.headers, body, isCut };
}
