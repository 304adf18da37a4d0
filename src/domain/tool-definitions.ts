/** A tool as its server describes it: what a model reads, and so what it can be misled by. */
export interface ShownTool {
  readonly name: string;
  /** The definition, as canonical JSON (RFC 8785). */
  readonly definition: string;
  /** Its SHA-256. */
  readonly digest: string;
}

/** For each tool the digest of the definition that the server's owner accepted. */
export type AcceptedTools = { readonly [tool: string]: string };

/**
 * The tools that nobody has accepted as they are shown. One that is left out is no difference: a
 * server may show each caller the tools that are theirs.
 */
export function differences(shown: readonly ShownTool[], accepted: AcceptedTools): ShownTool[] {
  return shown.filter(({ name, digest }) => !Object.hasOwn(accepted, name) || accepted[name] !== digest);
}

/** What is known of a server's definitions. */
export interface ServerDefinitions {
  readonly accepted: AcceptedTools;
  /** The digest of what it shows and its owner has not accepted; undefined when there is no difference. */
  readonly proposal?: string | undefined;
}

/** What Stint knows of a server that nobody has used yet. */
export const NEVER_SEEN: ServerDefinitions = { accepted: {} };

/**
 * Whether a server changed after it was accepted: then no token is made for it, by any way. One that
 * was never accepted is only kept from the gateway, because it may guard itself without it.
 */
export function hasChanged({ accepted, proposal }: ServerDefinitions): boolean {
  return proposal !== undefined && Object.keys(accepted).length > 0;
}
