import type { AccessToken } from "../protocol/access-token.ts";
import type { Handling } from "./http.ts";
import { watchSession } from "./session-watch.ts";

/** A stream of events that is over as soon as its session is; anything else as it came. */
export function untilSessionEnds(
  c: Handling,
  token: AccessToken,
  response: Response,
): ReadableStream<Uint8Array> | null {
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
  if (response.body === null || !isStream) return response.body;
  const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const watch = watchSession(c, token);
  const over = new Promise<"over">((done) => watch.signal.addEventListener("abort", () => done("over")));
  return new ReadableStream({
    async pull(controller) {
      const read = await Promise.race([reader.read(), over]);
      if (read !== "over" && !read.done) return controller.enqueue(read.value);
      watch.stop();
      controller.close();
      if (read === "over") await reader.cancel().catch(() => undefined);
    },
    cancel(reason) {
      watch.stop();
      return reader.cancel(reason);
    },
  });
}
