import type { EchoWatch } from "../domain/echo-watch.ts";
import { isPublicHost } from "../domain/public-address.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { CallClock, type CallTimes } from "./call-clock.ts";
import { relayBody, type BodyFault } from "./relayed-body.ts";
import { sendBody } from "./sent-body.ts";

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

export interface StreamRequest extends OutboundRequest, CallTimes {
  readonly body: ReadableStream<Uint8Array> | null;
  /** The length of the body, where its sender said it; more than `maxBytes` is not sent. */
  readonly bodyLength: number | undefined;
  /** What the body of the answer may not hold. */
  readonly watch: EchoWatch;
  /** Called once, when the exchange is over: with what broke the answer, if something did. */
  readonly onEnd: (fault?: BodyFault) => void;
}

export type StreamFault =
  | OutboundFault
  /** The exchange took too long; or it was ended by its signal. */
  | { readonly kind: "overdue" | "ended" }
  /** The caller's own body broke off, or was too large. */
  | { readonly kind: "body_broken" | "body_too_large" }
  /** The answer holds what it may not, or is encoded so that nobody can tell. */
  | { readonly kind: "credential_echoed" | "undecodable" };

export interface TextResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** An upstream's answer, on its way. */
export interface StreamAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Bytes where all of it is here. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
}

/** The one way out of the broker. */
export interface Outbound {
  /** Makes a call of our own; deadline and cap cover the body. */
  text(request: TextRequest): Promise<Result<TextResponse, OutboundFault>>;
  /** Passes a call on and its answer back, both streaming. Nothing is tried twice. */
  stream(request: StreamRequest): Promise<Result<StreamAnswer, StreamFault>>;
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
          ...NEITHER_FOLLOWED_NOR_KEPT,
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
      const answer = mayCall(request.url, limits) ? await relay(request) : err({ kind: "refused_address" as const });
      if (!answer.ok) request.onEnd();
      return answer;
    },
  };
}

async function relay(request: StreamRequest): Promise<Result<StreamAnswer, StreamFault>> {
  const { url, method, headers, maxBytes, watch, onEnd } = request;
  if ((request.bodyLength ?? 0) > maxBytes) return err({ kind: "body_too_large" });
  const clock = new CallClock(request);
  const moved = (): void => clock.moved();
  const cut = (): void => clock.cut();
  const { body, bodyLength: length } = request;
  const sent = body === null ? undefined : sendBody(body, { length, maxBytes, moved, cut });
  void (sent?.done ?? Promise.resolve(true)).then((isWhole) => isWhole && clock.expectHead());
  const giveUp = async (response: Response | undefined, kind: StreamFault["kind"]) => {
    clock.stop();
    await response?.body?.cancel().catch(() => undefined);
    return err({ kind: clock.fault ?? sent?.fault() ?? kind });
  };
  let response: Response;
  try {
    const init = { method, headers, body: sent?.readable ?? null, signal: clock.signal };
    response = await fetch(url, { ...init, ...NEITHER_FOLLOWED_NOR_KEPT });
  } catch {
    return giveUp(undefined, "network");
  }
  clock.headArrived();
  const { status, headers: answered } = response;
  if (status < 200 || status > 599) return giveUp(response, "network");
  if (!isDecoded(response)) return giveUp(response, "undecodable");
  if (response.body === null || BODILESS.has(status)) {
    clock.stop();
    onEnd();
    await response.body?.cancel();
    return ok({ status, headers: answered, body: null });
  }
  const relayed = await relayBody(response.body, {
    watch,
    maxBytes,
    signal: clock.signal,
    moved,
    onEnd(fault) {
      clock.stop();
      onEnd(fault);
    },
  });
  if (relayed.ok) return ok({ status, headers: answered, body: relayed.value });
  clock.stop();
  return err({ kind: clock.fault ?? (relayed.error === "broken" ? "network" : relayed.error) });
}

/** Statuses that have no body. A server that sends one all the same is not listened to. */
const BODILESS = new Set([204, 205, 304]);

/**
 * A redirect would carry the credential elsewhere. A cache between here and there would show one
 * caller's answer to another: it cannot know that a key in a header of the upstream's own matters.
 */
const NEITHER_FOLLOWED_NOR_KEPT = { redirect: "manual", cache: "no-store" } as const;

/**
 * Whether what we read is what was meant: the runtime undoes these two, and passes any other as it is.
 * To the letter: `GZIP` means the same to whoever gets it (RFC 9110 §8.4.1), and the runtime leaves it packed.
 */
function isDecoded({ headers }: Response): boolean {
  const encoding = headers.get("content-encoding")?.trim() ?? "";
  return ["", "identity", "gzip", "br"].includes(encoding);
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
