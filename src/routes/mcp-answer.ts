import { outermostMembers } from "../domain/outermost-members.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { EventReader, renderEvent } from "../protocol/event-stream.ts";
import type { ExpectedAnswers } from "../protocol/expected-answers.ts";
import type { WireError } from "../protocol/wire-error.ts";
import { within } from "../within.ts";

/** The longest message of a server that is passed on, in bytes: a client holds all of it. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
/** How long the head of an answer waits for its first event, in milliseconds: one may begin late. */
const FIRST_EVENT_PATIENCE_MS = 500;
const EVENTS = "text/event-stream";
const JSON_TYPE = "application/json";
const PROSE = "text/plain; charset=utf-8";

/**
 * Lets through of a server's answer what answers this request. What is judged is what is passed on:
 * events are written anew, each as soon as it is complete, and any other body is passed on whole.
 *
 * @param onForeign told once, when something came that may not pass
 */
export async function onlyItsAnswers(
  response: Response,
  expected: ExpectedAnswers,
  onForeign: () => void,
): Promise<Result<Response, WireError>> {
  if (response.body === null) return ok(response);
  const { status } = response;
  const headers = new Headers(response.headers);
  const type = (headers.get("content-type") ?? "").toLowerCase().split(";", 1)[0]!.trim();
  if (type === EVENTS && response.ok) {
    headers.set("content-type", EVENTS);
    const events = new JudgedEvents(response.body, expected, onForeign);
    // What is no answer from its beginning on can still be said properly.
    return (await events.haveBegun()) ? ok(new Response(events.stream, { status, headers })) : err(FOREIGN);
  }
  const text = await readWhole(response.body);
  if (text === undefined || !mayPass(text, response.ok, type, expected)) {
    onForeign();
    return err(FOREIGN);
  }
  // Without a charset or a second type behind it, by which a reader might go; and prose, such as a failure's, as that alone.
  if (text !== "" && !isJson(text)) headers.set("content-type", PROSE);
  else if (type === JSON_TYPE) headers.set("content-type", JSON_TYPE);
  return ok(new Response(text, { status, headers }));
}

function mayPass(text: string, isSuccess: boolean, type: string, expected: ExpectedAnswers): boolean {
  const isExpected = text === "" || (type === JSON_TYPE && expected.take(text));
  return isSuccess ? isExpected : isFailure(text, isExpected);
}

/** The events of a stream, each written anew once it was judged; the stream breaks off at the first that may not pass. */
class JudgedEvents {
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #expected: ExpectedAnswers;
  readonly #onForeign: () => void;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  readonly #events = new EventReader();
  #first: Promise<Uint8Array | undefined> | undefined;

  constructor(body: ReadableStream<Uint8Array>, expected: ExpectedAnswers, onForeign: () => void) {
    this.#source = body.getReader();
    this.#expected = expected;
    this.#onForeign = onForeign;
    this.#first = this.#next();
  }

  /** Whether the first event may pass, as far as that is known after a moment. */
  async haveBegun(): Promise<boolean> {
    let mayPass = true;
    const first = this.#first!.catch(() => {
      mayPass = false;
    });
    await within(FIRST_EVENT_PATIENCE_MS, first);
    return mayPass;
  }

  get stream(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: async (controller) => {
        const piece = await (this.#first ?? this.#next());
        this.#first = undefined;
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: (reason) => this.#source.cancel(reason),
    });
  }

  /** The next events as text; undefined at the end. Throws when there is one that may not pass. */
  async #next(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const { done, value } = await this.#source.read();
        const text = this.#decoded(value, done);
        const arrived = [...this.#events.push(text ?? ""), ...(done ? this.#events.end() : [])];
        const isForeign =
          text === undefined || arrived.some(({ data = "" }) => data !== "" && !this.#expected.take(data));
        if (isForeign || this.#events.pendingLength > MAX_MESSAGE_BYTES) {
          this.#onForeign();
          throw new TypeError("what came is no answer to this request");
        }
        if (arrived.length > 0) return new TextEncoder().encode(arrived.map(renderEvent).join(""));
        if (done) return undefined;
      }
    } catch (fault) {
      await this.#source.cancel().catch(() => undefined);
      throw fault;
    }
  }

  /** Undefined for bytes that are no UTF-8, of which each reader makes something else. */
  #decoded(value: Uint8Array | undefined, done: boolean): string | undefined {
    try {
      return this.#decoder.decode(value, { stream: !done });
    } catch {
      return undefined;
    }
  }
}

/** The text of a body; undefined where it is too long, or none. */
async function readWhole(body: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > MAX_MESSAGE_BYTES) return undefined;
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch {
    return undefined;
  }
}

/**
 * Whether a text tells of a failure and of nothing else: an error that was expected, or what gateways
 * and frameworks say, which no reader takes for an answer, because it has neither id nor result.
 */
function isFailure(text: string, isExpected: boolean): boolean {
  const names = namesIn(text);
  return !names.includes("result") && (isExpected || !names.includes("id"));
}

/** The outermost names in whatever spelling; none of what is no JSON. */
function namesIn(text: string): string[] {
  if (!isJson(text)) return [];
  return outermostMembers(text)
    .flat()
    .map((name) => name.toLowerCase());
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const FOREIGN: WireError = {
  status: 502,
  error: "foreign_answer",
  description:
    "what the server sent is not whole, or not the answer to this request alone, so it was stopped; the call may have had its effect",
};
