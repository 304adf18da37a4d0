import { sha256 } from "../crypto/hash.ts";
import { canonicalJson, isJsonObject, oneOrMany, type Json, type JsonObject } from "../domain/canonical-json.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import type { ShownTool } from "../domain/tool-definitions.ts";
import { EventReader } from "./event-stream.ts";

/** What a server shows of its tools. */
export interface ToolsPage {
  readonly tools: readonly ShownTool[];
  readonly nextCursor?: string | undefined;
}

/** What a server says to models of itself, beside its tools; no tool has this name. */
const INSTRUCTIONS = "(instructions)";

/** The messages of an answer of the streamable HTTP transport: JSON, or events that hold JSON. */
export function readMessages(contentType: string | null, text: string): Result<readonly JsonObject[], "unreadable"> {
  const [type = ""] = (contentType ?? "").toLowerCase().split(";");
  const texts = type.trim() === "text/event-stream" ? eventsOf(text) : [text];
  const messages: JsonObject[] = [];
  for (const one of texts) {
    const parsed = parseStrictJson(one);
    if (!parsed.ok) return err("unreadable");
    for (const value of oneOrMany(parsed.value)) {
      if (!isJsonObject(value)) return err("unreadable");
      messages.push(value);
    }
  }
  return ok(messages);
}

/**
 * All tools that an answer shows, and the server's own instructions. What cannot be read, or shows one name twice, is no answer: two
 * readers would take two different definitions from it.
 */
export function readToolsPage(messages: readonly JsonObject[]): Result<ToolsPage, "unreadable"> {
  const shown = new Map<string, ShownTool>();
  let nextCursor: string | undefined;
  for (const { result } of messages) {
    if (!isJsonObject(result)) continue;
    const { tools = [], nextCursor: cursor, instructions } = result;
    if (instructions !== undefined) shown.set(INSTRUCTIONS, shownAs(INSTRUCTIONS, instructions));
    if (!Array.isArray(tools)) return err("unreadable");
    for (const definition of tools as readonly Json[]) {
      const name = isJsonObject(definition) ? definition["name"] : undefined;
      if (typeof name !== "string" || shown.has(name)) return err("unreadable");
      shown.set(name, shownAs(name, definition));
    }
    if (typeof cursor === "string") nextCursor = cursor;
  }
  return ok({ tools: [...shown.values()], nextCursor });
}

function shownAs(name: string, definition: Json): ShownTool {
  const text = canonicalJson(definition);
  return { name, definition: text, digest: sha256(text) };
}

/** The data of each server-sent event that has any. */
function eventsOf(text: string): string[] {
  const reader = new EventReader();
  return [...reader.push(text), ...reader.end()].flatMap(({ data = "" }) => (data === "" ? [] : data));
}
