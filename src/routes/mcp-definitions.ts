import type { Json } from "../domain/canonical-json.ts";
import { mirroredParams, type MirroredParam } from "../domain/mirrored-params.ts";
import { falseReaders } from "../domain/tool-claims.ts";
import { definitionsOf, differences, hasToProve, type ShownTool } from "../domain/tool-definitions.ts";
import type { UnitCall } from "../domain/judged-calls.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { neverAccepted } from "../domain/server-calls.ts";
import { proposalDigest } from "../crypto/proposal-digest.ts";
import type { Server } from "../domain/tenant.ts";
import type { Minting } from "../durable/session-commands.ts";
import { readCapped } from "../protocol/body.ts";
import type { ExpectedAnswers } from "../protocol/expected-answers.ts";
import { readMessages, readToolsPage } from "../protocol/tools-list.ts";
import { HELD } from "../protocol/token-exchange.ts";
import { deny, type WireError } from "../protocol/wire-error.ts";
import { forgetTenant } from "../tenancy.ts";
import type { Handling } from "./http.ts";
import { listTools, MAX_LIST_BYTES } from "./mcp-list-tools.ts";
import { acceptBySignature } from "./mcp-signature.ts";
import type { ServerCaller } from "./mcp-server-credential.ts";
import { personObject, tenantObject } from "./objects.ts";

/** How long a server that showed what its owner accepted is believed to show it still, in milliseconds: as long as a snapshot of the tenant. */
const LOOKED_AT_MS = 5000;

/** A server that showed what was accepted. */
interface Look {
  /** Epoch milliseconds. */
  readonly at: number;
  /** For each tool, the parameters that are mirrored in headers. */
  readonly mirrored: ReadonlyMap<string, readonly MirroredParam[]>;
}

/** When this isolate last saw each server show what was accepted, by issuer, server and resource. */
const lookedAt = new Map<string, Look>();

export interface RefusedServer {
  readonly error: WireError;
  readonly reason: "definitions_not_accepted" | "definitions_unreadable" | "definitions_false";
}

/** Why a server is called by nobody: what it shows waits for its owner. */
export function refuseUnaccepted(c: Handling, { id }: Server): RefusedServer | undefined {
  const { proposal } = definitionsOf(c.var.tenant.servers, id);
  return proposal === undefined ? undefined : NOT_ACCEPTED;
}

/** Whether the server showed what its owner accepted a moment ago, and somebody has accepted each tool that is called. */
export function isLookedAt(c: Handling, server: Server, calls: readonly UnitCall[]): boolean {
  const age = Date.now() - (lookedAt.get(keyOf(c, server))?.at ?? -Infinity);
  const { accepted } = definitionsOf(c.var.tenant.servers, server.id);
  return age >= 0 && age < LOOKED_AT_MS && neverAccepted(server, calls, accepted).length === 0;
}

/** The parameters of a tool that clients mirror in headers, by the definition that was looked at last. */
export function mirroredParamsOf(c: Handling, server: Server, tool: string): readonly MirroredParam[] {
  return lookedAt.get(keyOf(c, server))?.mirrored.get(tool) ?? [];
}

/**
 * Has the server show its tools before any of them is called, with a token that lends nothing at any
 * upstream. What cannot be read proves nothing, so it is refused like a difference.
 */
export async function checkShownTools(
  caller: ServerCaller,
  looking: Minting,
  calls: readonly UnitCall[],
): Promise<RefusedServer | undefined> {
  const shown = await listTools(caller, looking);
  if (!shown.ok) return UNREADABLE;
  const refusal = await compare(caller, shown.value, calls);
  if (refusal !== undefined) return refusal;
  const mirrored = shown.value.map(
    ({ name, definition }) => [name, mirroredParams(JSON.parse(definition) as Json)] as const,
  );
  lookedAt.set(keyOf(caller.c, caller.server), { at: Date.now(), mirrored: new Map(mirrored) });
  return undefined;
}

/** Passes on a list of tools that an agent asked for, if it is there as a whole and each is what the owner accepted. */
export async function showDifferences(
  caller: ServerCaller,
  response: Response,
  expected: ExpectedAnswers,
): Promise<Result<Response, RefusedServer>> {
  const body = await readCapped({ headers: new Headers(), body: response.body }, MAX_LIST_BYTES).catch(() => undefined);
  if (body?.ok !== true) return err(UNREADABLE);
  const text = new TextDecoder().decode(body.value);
  const messages = readMessages(response.headers.get("content-type"), text);
  // An answer that is still to come could come where nobody compares.
  const isAnswered = messages.ok && messages.value.some((message) => "result" in message || "error" in message);
  const page = isAnswered && expected.areComplete ? readToolsPage(messages.value) : undefined;
  if (page?.ok !== true) return err(UNREADABLE);
  const refusal = await compare(caller, page.value.tools, []);
  return refusal === undefined ? ok(new Response(body.value, response)) : err(refusal);
}

/**
 * Compares with what was accepted. A difference is kept for the owner, who is told first: twice rather
 * than never. What is called without ever having been shown is not there to be accepted.
 */
async function compare(
  { c, server }: ServerCaller,
  shown: readonly ShownTool[],
  calls: readonly UnitCall[],
): Promise<RefusedServer | undefined> {
  const { issuer, servers } = c.var.tenant;
  if (falseReaders(shown, server).length > 0) {
    lookedAt.delete(keyOf(c, server));
    return FALSE_READER;
  }
  const known = definitionsOf(servers, server.id);
  const different = differences(shown, known.accepted);
  const isKnown = different.length === 0 && neverAccepted(server, calls, known.accepted).length === 0;
  // Who shows no tool would have nothing to prove.
  if (isKnown && !hasToProve(known, server)) return undefined;
  lookedAt.delete(keyOf(c, server));
  const unproved = server.definitions === "signed" ? await acceptBySignature(c, server, shown, calls) : undefined;
  if (unproved === "accepted") return undefined;
  if (different.length === 0) return NOT_ACCEPTED;
  const owner = { issuer, person: server.owner };
  await personObject(c.env, issuer, server.owner).tellOfDefinitions(owner, server.id, proposalDigest(different));
  await tenantObject(c.env, issuer).proposeDefinitions(server.id, different, unproved);
  forgetTenant(issuer);
  return NOT_ACCEPTED;
}

function keyOf(c: Handling, { id, resource }: Server): string {
  return `${c.var.tenant.issuer} ${id} ${resource}`;
}

const NOT_ACCEPTED: RefusedServer = {
  reason: "definitions_not_accepted",
  error: deny("definitions_not_accepted", HELD),
};
const FALSE_READER: RefusedServer = {
  reason: "definitions_false",
  error: deny(
    "definitions_false",
    "the server says that a tool only reads which its registration says writes; its owner must mend the one or the other",
  ),
};
const UNREADABLE: RefusedServer = {
  reason: "definitions_unreadable",
  error: {
    status: 502,
    error: "definitions_unreadable",
    description: "the server did not show its tools in a way that can be compared with what its owner accepted",
  },
};
