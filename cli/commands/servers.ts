import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface ServerRow {
  readonly id: string;
  readonly resource: string;
  readonly owner: string;
  readonly trust: string;
  readonly accepted_tools: readonly string[];
  /** Epoch seconds of the newest statement by which the server accepted its own tools. */
  readonly signed: { readonly issued_at: number; readonly expires_at: number } | null;
  readonly credential_echoed: { readonly times: number } | null;
  readonly difference: {
    readonly digest: string;
    readonly first_at: number;
    readonly tools: readonly {
      readonly name: string;
      readonly shown: unknown;
      readonly accepted: unknown;
    }[];
  } | null;
}

export const serversCommand: Command = {
  summary: "list the MCP servers, and decide on tools that they show and nobody has accepted",
  help: `Usage: stint servers list               [--url ISSUER] [--data DIR]
       stint servers accept ID --digest D [--url ISSUER] [--data DIR]
       stint servers dismiss ID --digest D

list     prints every server, and where it shows tools that its owner has not accepted, each of them as it
         is shown and as it was accepted. Until that is decided, no call is passed on to the server
         A server that showed the token it was given is named too: stint upstreams clear mcp:ID takes that away
accept   takes these definitions for the right ones; --digest names the difference that list printed
dismiss  forgets the difference: the server is looked at again when it is next used

${ADMIN_HELP}`,
  async run(args) {
    const options = { ...ADMIN_OPTIONS, digest: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [verb, id] = positionals;
    if (verb === "list") {
      const { servers } = await callAdmin<{ servers: ServerRow[] }>(values, "GET", "/admin/servers");
      if (servers.length === 0) process.stdout.write("The tenant document names no server yet.\n");
      for (const server of servers) process.stdout.write(`${describe(server)}\n`);
      return 0;
    }
    if ((verb !== "accept" && verb !== "dismiss") || id === undefined || values.digest === undefined)
      throw new CliError("say list, or accept or dismiss with which and --digest; stint servers --help tells more", 2);
    await callAdmin(values, "POST", `/admin/servers/${encodeURIComponent(id)}/${verb}`, { digest: values.digest });
    process.stdout.write(`${id}: the difference is ${verb}ed\n`);
    return 0;
  },
};

function describe({ id, resource, owner, trust, accepted_tools, signed, difference, ...row }: ServerRow): string {
  const echoed = row.credential_echoed === null ? "" : `  ! showed its token ${row.credential_echoed.times} times`;
  const until = signed === null ? "" : new Date(signed.expires_at * 1000).toISOString();
  const bySignature = signed === null ? "" : `, by its signature until ${until}`;
  const head = `${id.padEnd(14)}${trust.padEnd(8)}${resource}  (${owner})  ${accepted_tools.length} tools accepted${bySignature}${echoed}`;
  if (difference === null) return head;
  // JSON escapes what a definition could play with a terminal.
  const text = (value: unknown): string => JSON.stringify(value).replaceAll(/[^\x20-\x7E]/g, escaped);
  const lines = difference.tools.flatMap(({ name, shown, accepted }) => [
    `  ! ${text(name)}`,
    ...(accepted === null ? [] : [`    - ${text(accepted)}`]),
    `    + ${text(shown)}`,
  ]);
  return [head, ...lines, `  stint servers accept ${id} --digest ${difference.digest}`].join("\n");
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
