import {
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  type InputRequest,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { isJsonObject } from "../domain/canonical-json.ts";

/** Tasks of revision 2026-07-28 (SEP-2663): a tool's answer that a client fetches later. */
export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/** What a client of the Model Context Protocol can do while a human decides. */
export interface Abilities {
  /** Keeps a task and asks how it stands (SEP-2663). */
  readonly tasks: boolean;
  /** Shows its own human an address to open. */
  readonly urls: boolean;
}

/**
 * What a client of 2026-07-28 said that it can, in this very request: what it or another said in any
 * other request counts for nothing (2026-07-28, basic, `_meta`).
 */
export function declaredAbilities({ mcpReq }: ServerContext): Abilities {
  return abilitiesIn(mcpReq.envelope ?? {});
}

/** As {@link declaredAbilities}, from the `_meta` itself. */
export function abilitiesIn(meta: { readonly [key: string]: unknown }): Abilities {
  const { extensions, elicitation } = objectIn(meta[CLIENT_CAPABILITIES_META_KEY]);
  return {
    tasks: isJsonObject(objectIn(extensions)[TASKS_EXTENSION]),
    urls: isJsonObject(objectIn(elicitation)["url"]),
  };
}

/** What the human at the client is asked: to look at a page on which nothing can be done without signing in. */
export const APPROVAL = "approval";

/** The question of {@link APPROVAL}. Its address is the same for everybody, and opens nothing by itself. */
export function lookRequest(issuer: string, matchCode: string): { readonly [APPROVAL]: InputRequest } {
  return { [APPROVAL]: inputRequired.elicitUrl(lookParams(issuer, matchCode)) };
}

export function lookParams(issuer: string, matchCode: string): { message: string; url: string } {
  return {
    message: `A human has to approve this session. Its code is ${matchCode}; whoever may decide signs in to see it.`,
    url: `${issuer}/inbox`,
  };
}

function objectIn(value: unknown): { readonly [key: string]: unknown } {
  return isJsonObject(value) ? value : {};
}
