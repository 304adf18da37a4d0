import type { Handling } from "./http.ts";

/** The body of a request on its way to an upstream. */
export interface PassingBody {
  readonly stream: ReadableStream<Uint8Array> | null;
  /** Its length, if that is known before it is sent. */
  readonly bytes: number | undefined;
}

/**
 * What is sent as the body: what was read to be judged, or what streams past.
 *
 * @param judged the body, to the byte, where it was read
 */
export function passingBody(c: Handling, judged: Uint8Array | undefined): PassingBody {
  if (judged !== undefined) return { stream: new Response(judged).body, bytes: judged.byteLength };
  const { body } = c.req.raw;
  if (c.req.method === "GET" || c.req.method === "HEAD" || body === null) return { stream: null, bytes: 0 };
  const stated = c.req.header("content-length") ?? "";
  return { stream: body, bytes: /^[0-9]{1,15}$/.test(stated) ? Number(stated) : undefined };
}
