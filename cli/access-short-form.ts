import { CliError } from "./cli-error.ts";

/** Reads `upstream:operation@location` and `mcp:server:tool` as `authorization_details` entries. */
export function parseAccess(texts: readonly string[]): object[] {
  return texts.map((text) => {
    const tool = /^mcp:([^:]+):(.+)$/.exec(text);
    if (tool !== null) return { type: "mcp_tools", server: tool[1], actions: [tool[2]] };
    const operation = /^([^:@]+):([^@]+)(?:@(.+))?$/.exec(text);
    if (operation === null)
      throw new CliError(`"${text}" is neither upstream:operation@location nor mcp:server:tool`, 2);
    const [, upstream, action, location] = operation;
    return {
      type: "upstream_access",
      upstream,
      actions: [action],
      ...(location === undefined ? {} : { locations: [location] }),
    };
  });
}
