import { isJsonObject, type Json, type JsonObject } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { parseStrictJson, type JsonFault } from "../domain/strict-json.ts";
import { within } from "../within.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** No request of an agent or a server is larger. Read before anything is parsed. */
const MAX_BODY_BYTES = 65_536;
/** A client that needs longer to send so little holds a connection for its own sake. */
const BODY_DEADLINE_MS = 10_000;
/** The largest request fills the approval page with 200 boxes and 80 limits, and some fields besides. */
const MAX_FORM_PARAMETERS = 300;

/** What a form may say: each parameter once. */
export type Form = ReadonlyMap<string, string>;

/** Reads a JSON object from a request, or says which standard error it deserves. */
export async function readJsonObject(
  request: Request,
  maxBytes = MAX_BODY_BYTES,
): Promise<Result<JsonObject, WireError>> {
  const read = await readJson(request, maxBytes);
  if (!read.ok) return read;
  const { value } = read.value;
  return isJsonObject(value) ? ok(value) : err(invalidRequest("the body must be a JSON object"));
}

/** As {@link readJsonObject}, where nothing but these members may stand: one that is misspelled would go unheard. */
export async function readMembers(request: Request, names: readonly string[]): Promise<Result<JsonObject, WireError>> {
  const read = await readJsonObject(request);
  if (!read.ok) return read;
  const unknown = Object.keys(read.value).find((name) => !names.includes(name));
  return unknown === undefined ? read : err(invalidRequest(`"${unknown}" is not known here`));
}

/** Reads JSON from a request, together with the text it stood in: as UTF-8 again, that is the body to the byte. */
export async function readJson(
  request: Request,
  maxBytes: number,
): Promise<Result<{ readonly value: Json; readonly text: string }, WireError>> {
  const text = await readText(request, "application/json", maxBytes);
  if (!text.ok) return text;
  const parsed = parseStrictJson(text.value);
  return parsed.ok ? ok({ value: parsed.value, text: text.value }) : err(invalidRequest(JSON_FAULTS[parsed.error]));
}

/**
 * Reads a form (`application/x-www-form-urlencoded`) in which no parameter stands twice, RFC 6749 §3.2.
 * Addresses are logged on their way, so nothing may come in one (RFC 6749 §2.3.1).
 */
export async function readForm(request: Request): Promise<Result<Form, WireError>> {
  if (hasQuery(request)) return err(invalidRequest("send parameters in the body, never in the URL"));
  const text = await readFormText(request);
  return text.ok ? parseForm(text.value) : text;
}

/** Whether a request brings anything in its address beside the path. */
export function hasQuery({ url }: Pick<Request, "url">): boolean {
  return /\?[^#]/.test(url);
}

/** Reads a form as it was sent, to the byte, for whoever has to check a signature over it. */
export function readFormText(request: Request): Promise<Result<string, WireError>> {
  return readText(request, "application/x-www-form-urlencoded", MAX_BODY_BYTES);
}

/** Reads the text of a form, or of a URL's query. */
export function parseForm(text: string): Result<Form, WireError> {
  const form = new Map<string, string>();
  const pairs = text === "" ? [] : text.split("&");
  if (pairs.length > MAX_FORM_PARAMETERS) return err(invalidRequest("too many parameters"));
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    const name = decodeFormPart(equals === -1 ? pair : pair.slice(0, equals));
    const value = decodeFormPart(equals === -1 ? "" : pair.slice(equals + 1));
    if (name === undefined || value === undefined) return err(invalidRequest("the form is not valid UTF-8"));
    if (form.has(name)) return err(invalidRequest("a parameter is repeated"));
    // RFC 6749 §3.2: a parameter without a value is as if it had been left out.
    if (value !== "") form.set(name, value);
  }
  return ok(form);
}

const JSON_FAULTS: Readonly<Record<JsonFault, string>> = {
  not_json: "the body is not valid JSON",
  not_unicode: "the body holds characters that are not valid Unicode",
  too_deep: "the JSON is nested too deep",
  too_many_members: "the JSON has too many members",
  duplicate_member: "the JSON has a member twice",
  forbidden_member: "the JSON has a member name that is not allowed",
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

async function readText(request: Request, mediaType: string, maxBytes: number): Promise<Result<string, WireError>> {
  if (!isMediaType(request.headers.get("content-type"), mediaType)) {
    return err({ status: 415, error: "invalid_request", description: `send the body as ${mediaType} in UTF-8` });
  }
  if (request.headers.has("content-encoding")) {
    return err({ status: 415, error: "invalid_request", description: "send the body without a Content-Encoding" });
  }
  const bytes = await readBody(request, maxBytes).catch(() => BROKEN_OFF);
  if (!bytes.ok) return bytes;
  try {
    const text = utf8.decode(bytes.value);
    if (text.startsWith("\uFEFF") || text.includes("\0"))
      return err(invalidRequest("the body starts with a byte order mark or holds NUL"));
    return ok(text);
  } catch {
    return err(invalidRequest("the body is not valid UTF-8"));
  }
}

const TOO_SLOW: WireError = {
  status: 400,
  error: "invalid_request",
  description: "the body took too long to arrive",
};

/** Cut short, or not in the chunks that its headers announce. */
const BROKEN_OFF = err(invalidRequest("the body broke off, or is not as its headers say"));

function isMediaType(header: string | null, mediaType: string): boolean {
  const [type, ...parameters] = (header ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  return (
    type === mediaType && parameters.every((parameter) => parameter === "" || /^charset="?utf-8"?$/.test(parameter))
  );
}

/** Reads the body of a request. One that says how long it is cannot be longer, and is had in one go, which costs half. */
async function readBody(request: Request, maxBytes: number): Promise<Result<Uint8Array, WireError>> {
  const { headers } = request;
  const stated = headers.has("transfer-encoding") ? undefined : headers.get("content-length");
  const isSmall = /^[0-9]{1,10}$/.test(stated ?? "") && Number(stated) <= maxBytes;
  if (!isSmall) return readCapped(request, maxBytes);
  const bytes = await within(BODY_DEADLINE_MS, request.bytes());
  return bytes === undefined ? err(TOO_SLOW) : ok(bytes);
}

/** Reads a whole body, unless it is too large or too slow. */
export async function readCapped(
  request: Pick<Request, "headers" | "body">,
  maxBytes: number,
): Promise<Result<Uint8Array, WireError>> {
  const tooLarge = err({
    status: 413 as const,
    error: "invalid_request",
    description: `the body is larger than ${maxBytes} bytes`,
  });
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return tooLarge;
  if (request.body === null) return ok(new Uint8Array());
  const reader = request.body.getReader();
  const deadline = AbortSignal.timeout(BODY_DEADLINE_MS);
  deadline.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (deadline.aborted) return err(TOO_SLOW);
    if (done) return ok(concat(chunks, size));
    size += value.byteLength;
    if (size > maxBytes) {
      await reader.cancel();
      return tooLarge;
    }
    chunks.push(value);
  }
}

function concat(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const joined = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
}

function decodeFormPart(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text.replaceAll("+", " "));
    return decoded.isWellFormed() && !decoded.includes("\0") ? decoded : undefined;
  } catch {
    return undefined;
  }
}
