import type { CallToolResult } from "@modelcontextprotocol/server";
import type { WireError } from "../protocol/wire-error.ts";

/** What a tool answers, as JSON. */
export function toolAnswer(value: object): CallToolResult {
  return { content: [{ type: "text", text: JSON.stringify(value) }] };
}

/** That a tool did not do what was asked, in words for the model. */
export function toolError(text: string, members: object = {}): CallToolResult {
  return { isError: true, content: [{ type: "text", text: JSON.stringify({ error: text, ...members }) }] };
}

/** A wire error as a tool's: the same words, without status and headers. */
export function toolRefusal({ error, description, members }: WireError): CallToolResult {
  return toolError(description, { code: error, ...members });
}
