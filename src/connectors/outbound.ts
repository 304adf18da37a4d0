import { isPublicHost } from "../domain/public-address.ts";
import { err, ok, type Result } from "../domain/result.ts";

/** Why a call did not succeed. Carries no address and no content, so that it may be logged. */
export type OutboundFault = { readonly kind: "refused_address" | "timeout" | "too_large" | "network" };

export interface OutboundRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: HeadersInit;
  /** How long until the headers of the answer must be there, in milliseconds. */
  readonly deadlineMs: number;
  /** The most that is read of the answer, in bytes. */
  readonly maxBytes: number;
}

export interface TextRequest extends OutboundRequest {
  readonly body?: string;
}

export interface StreamRequest extends OutboundRequest {
  readonly body: ReadableStream | null;
  /** How long the whole exchange may take, bodies included, in milliseconds. */
  readonly totalDeadlineMs: number;
  /** Breaks the call off. A body that only ended early would look whole to the upstream. */
  readonly signal: AbortSignal;
}

export interface TextResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The one way out of the broker. */
export interface Outbound {
  /** Makes a call of our own; deadline and cap cover the body. */
  text(request: TextRequest): Promise<Result<TextResponse, OutboundFault>>;
  /** Passes a call on and its answer back, both streaming. */
  stream(request: StreamRequest): Promise<Result<Response, OutboundFault>>;
}

export interface OutboundLimits {
  /** Whether loopback and private networks may be called, and plain http with them. */
  readonly allowPrivateNetwork: boolean;
  /** The broker's own origins, which it never calls: a request would come back in as if from outside. */
  readonly ownOrigins: readonly string[];
}

/**
 * Makes the outbound fetch: https to public hosts, redirects never followed (a redirect would carry
 * credentials elsewhere), a deadline and a cap that cover the body.
 */
export function createOutbound(limits: OutboundLimits): Outbound {
  return {
    async text(request) {
      if (!mayCall(request.url, limits)) return err({ kind: "refused_address" });
      const signal = AbortSignal.timeout(request.deadlineMs);
      try {
        const { url, method, headers, body } = request;
        const response = await fetch(url, {
          method,
          headers,
          redirect: "manual",
          signal,
          ...(body === undefined ? {} : { body }),
        });
        const text = await readCapped(response, request.maxBytes);
        return text === undefined
          ? err({ kind: "too_large" })
          : ok({ status: response.status, headers: response.headers, text });
      } catch {
        return err({ kind: signal.aborted ? "timeout" : "network" });
      }
    },
    async stream(request) {
      if (!mayCall(request.url, limits)) return err({ kind: "refused_address" });
      const { url, method, headers, body, deadlineMs, totalDeadlineMs, maxBytes } = request;
      const abort = new AbortController();
      request.signal.addEventListener("abort", () => abort.abort());
      const whole = setTimeout(() => abort.abort(), totalDeadlineMs);
      const head = setTimeout(() => abort.abort(), Math.min(deadlineMs, totalDeadlineMs));
      try {
        const response = await fetch(url, { method, headers, body, redirect: "manual", signal: abort.signal });
        clearTimeout(head);
        if (response.body === null) clearTimeout(whole);
        const capped = response.body?.pipeThrough(capBytes(maxBytes, () => clearTimeout(whole))) ?? null;
        return ok(new Response(capped, { status: response.status, headers: response.headers }));
      } catch {
        clearTimeout(head);
        clearTimeout(whole);
        return err({ kind: abort.signal.aborted ? "timeout" : "network" });
      }
    },
  };
}

/** Whether an address may be called at all. */
export function mayCall(address: string, { allowPrivateNetwork, ownOrigins }: OutboundLimits): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  if (url.username !== "" || url.password !== "" || ownOrigins.includes(url.origin)) return false;
  if (isPublicHost(url.hostname)) return url.protocol === "https:" && url.port === "";
  return allowPrivateNetwork && (url.protocol === "https:" || url.protocol === "http:");
}

async function readCapped(response: Response, maxBytes: number): Promise<string | undefined> {
  if (response.body === null) return "";
  let text = "";
  let size = 0;
  const decoder = new TextDecoder();
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Passes bytes on until there are too many, then breaks the stream: a cut answer must not look whole. */
function capBytes(maxBytes: number, onEnd: () => void): TransformStream<Uint8Array, Uint8Array> {
  let size = 0;
  return new TransformStream({
    transform(chunk, controller) {
      size += chunk.byteLength;
      if (size > maxBytes) controller.error(new RangeError("the answer is larger than its cap"));
      else controller.enqueue(chunk);
    },
    flush: onEnd,
  });
}
