import type { StintClient } from "../../cli/agent-client.ts";

/** A call through the proxy, with every header and byte of the body the test's own. */
export interface ProxiedCall {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each attempt, since a stream can be sent only once. */
  readonly body?: () => string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
}

export interface ProxiedAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** What of the body arrived. */
  readonly text: string;
  /** Whether it broke off. */
  readonly cut: boolean;
}

/** The newest nonce of each broker. */
const nonces = new Map<string, string>();

/** Sends a call to `/proxy/…` with a proof that is good for it, and reads what comes back, however it ends. */
export async function proxied(
  client: StintClient,
  token: string,
  path: string,
  { method = "GET", headers = {}, body }: ProxiedCall = {},
): Promise<ProxiedAnswer> {
  const url = client.issuer + path;
  const htu = url.split("?", 1)[0] ?? "";
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(url, {
      method,
      headers: {
        ...headers,
        authorization: `DPoP ${token}`,
        dpop: await client.proof(method, htu, nonces.get(client.issuer), token),
      },
      redirect: "manual",
      ...(body === undefined ? {} : { body: body(), duplex: "half" }),
    } as RequestInit);
    const nonce = response.headers.get("dpop-nonce");
    if (nonce !== null) nonces.set(client.issuer, nonce);
    const answer = { status: response.status, headers: response.headers, ...(await readAll(response)) };
    if (attempt > 0 || !answer.text.includes("use_dpop_nonce")) return answer;
  }
}

async function readAll(response: Response): Promise<{ text: string; cut: boolean }> {
  let text = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true });
    return { text, cut: false };
  } catch {
    return { text, cut: true };
  }
}

/** A body whose length nobody is told before. */
export function chunked(chunk: string, times: number): ReadableStream<Uint8Array> {
  let left = times;
  return new ReadableStream({
    pull(controller) {
      left -= 1;
      if (left < 0) controller.close();
      else controller.enqueue(new TextEncoder().encode(chunk));
    },
  });
}
