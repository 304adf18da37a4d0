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
  const response = await proven(client, token, client.issuer + path, () => ({
    method,
    headers,
    ...(body === undefined ? {} : { body: body(), duplex: "half" }),
  }));
  return { status: response.status, headers: response.headers, ...(await readAll(response)) };
}

/** A `fetch` that shows a token and proves its key, for clients that take one. */
export function provenFetch(client: StintClient, token: string) {
  return (url: string | URL, init: RequestInit = {}): Promise<Response> =>
    proven(client, token, String(url), () => init);
}

async function proven(client: StintClient, token: string, url: string, init: () => RequestInit): Promise<Response> {
  const htu = url.split("?", 1)[0] ?? "";
  for (let attempt = 0; ; attempt += 1) {
    const request = init();
    const headers = new Headers(request.headers);
    headers.set("authorization", `DPoP ${token}`);
    headers.set("dpop", await client.proof(request.method ?? "GET", htu, nonces.get(client.issuer), token));
    const response = await fetch(url, { ...request, headers, redirect: "manual" });
    const nonce = response.headers.get("dpop-nonce");
    if (nonce !== null) nonces.set(client.issuer, nonce);
    const wantsNonce = response.headers.get("www-authenticate")?.includes("use_dpop_nonce") === true;
    if (attempt > 0 || !wantsNonce) return response;
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
