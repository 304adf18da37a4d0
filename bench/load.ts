import { Agent, request } from "node:http";
import { summarise, type Summary } from "./summary.ts";

/** A request that only has to be sent: whatever it proves was signed before the clock began. */
export interface Prepared {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** How long one answer may take before the run is given up, in milliseconds. */
const ANSWER_DEADLINE_MS = 30_000;

/**
 * Sends each request once, so many at a time, each as soon as the one before it is answered. Loopback
 * alone is ever addressed.
 *
 * @throws when anything is not answered with 200: a refusal is quicker than what is measured
 */
export async function drive(prepared: readonly Prepared[], atOnce: number): Promise<Summary> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const times: number[] = [];
  let next = 0;
  const begin = performance.now();
  try {
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (let one = prepared[next++]; one !== undefined; one = prepared[next++]) {
          const start = performance.now();
          const { status, text } = await send(one, agent);
          if (status !== 200) throw new Error(`${one.method} ${one.path} answered ${status}: ${text}`);
          times.push(performance.now() - start);
        }
      }),
    );
  } finally {
    agent.destroy();
  }
  return summarise(times, (performance.now() - begin) / 1000);
}

/**
 * Sends one request; of an answer that is not 200, also what it says.
 *
 * @param keepText whether what a good answer says is wanted too
 */
export function send(
  { port, method, path, headers, body }: Prepared,
  agent: Agent,
  keepText = false,
): Promise<{ status: number; text: string }> {
  return new Promise((done, fail) => {
    const sent = request(
      { host: "127.0.0.1", port, method, path, agent, headers: { ...headers, host: `localhost:${port}` } },
      (response) => {
        const status = response.statusCode ?? 0;
        let text = "";
        if (status === 200 && !keepText) response.resume();
        else response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => done({ status, text }));
        response.on("error", fail);
      },
    );
    sent.setTimeout(ANSWER_DEADLINE_MS, () => sent.destroy(new Error(`${method} ${path} was not answered in time`)));
    sent.on("error", fail);
    sent.end(body);
  });
}

/** Makes so many requests, one after the other: signing them at once would only queue them. */
export async function prepare(count: number, make: (at: number) => Promise<Prepared>): Promise<Prepared[]> {
  const prepared: Prepared[] = [];
  for (let at = 0; at < count; at += 1) prepared.push(await make(at));
  return prepared;
}
