import { isJsonObject, oneOrMany, type Json } from "../domain/canonical-json.ts";
import { outermostMembers } from "../domain/outermost-members.ts";

const ASKING = ["jsonrpc", "id", "method", "params"];
const ANSWERING = ["jsonrpc", "id", "result", "error"];

/**
 * What a server may answer to one request: to each of its calls once. A client knows an answer by its
 * id alone, on whichever connection it comes, so that a server could give a list of tools as the answer
 * to a list that the client waits for elsewhere, past whoever compares it there.
 */
export class ExpectedAnswers {
  readonly #open: Set<string>;

  /** @param body what was sent */
  constructor(body: Json) {
    this.#open = new Set(oneOrMany(body).flatMap(idOfCall));
  }

  /** Whether every call was answered. */
  get areComplete(): boolean {
    return this.#open.size === 0;
  }

  /**
   * Takes a message of the server, or several: what it asks or tells, and answers to this request.
   *
   * @returns whether all readers will take them for the same, and none for an answer to anything else
   */
  take(text: string): boolean {
    const value = parse(text);
    if (value === undefined) return false;
    const messages = oneOrMany(value);
    const names = outermostMembers(text);
    // Nested arrays hold no message.
    return names.length === messages.length && messages.every((message, at) => this.#takeOne(message, names[at] ?? []));
  }

  #takeOne(message: Json, names: readonly string[]): boolean {
    if (!isJsonObject(message)) return false;
    const { id, method, result, error } = message;
    const allowed = method === undefined ? ANSWERING : ASKING;
    // A second member of one name, or of another spelling that some reader takes for it, leaves open what is meant.
    if (new Set(names).size !== names.length || !names.every((name) => allowed.includes(name))) return false;
    if (method !== undefined) return typeof method === "string";
    if ((result === undefined) === (error === undefined)) return false;
    // JSON-RPC 2.0 §5: an error about a request whose id could not be read is nobody's answer.
    if (error !== undefined && (id === undefined || id === null)) return true;
    return this.#open.delete(JSON.stringify(id));
  }
}

function idOfCall(message: Json): string[] {
  if (!isJsonObject(message)) return [];
  const { id, method } = message;
  return method === undefined || id === undefined ? [] : [JSON.stringify(id)];
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
