import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface UpstreamRow {
  readonly id: string;
  readonly connector: string;
  readonly base_url: string;
  readonly credential_echoed: { readonly last_at: number; readonly times: number } | null;
}

export const upstreamsCommand: Command = {
  summary: "list the upstreams, and which of them showed Stint's credential",
  help: `Usage: stint upstreams list      [--url ISSUER] [--data DIR]
       stint upstreams clear ID  [--url ISSUER] [--data DIR]

list     prints every upstream, with a warning where one showed the credential in its answers. Each such
         answer was stopped; the operation that leads to it should leave the catalogue, or the upstream
         be mended, and its credential be renewed
clear    takes the warning away

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [verb, id] = positionals;
    if (verb === "list") {
      const { upstreams } = await callAdmin<{ upstreams: UpstreamRow[] }>(values, "GET", "/admin/upstreams");
      if (upstreams.length === 0) process.stdout.write("The tenant document names no upstream yet.\n");
      for (const upstream of upstreams) process.stdout.write(`${describe(upstream)}\n`);
      return 0;
    }
    if (verb !== "clear" || id === undefined)
      throw new CliError("say list, or clear and which; stint upstreams --help tells more", 2);
    await callAdmin(values, "POST", `/admin/upstreams/${encodeURIComponent(id)}/clear`, {});
    process.stdout.write(`${id}: the warning is gone\n`);
    return 0;
  },
};

function describe({ id, connector, base_url, credential_echoed: echo }: UpstreamRow): string {
  const warning =
    echo === null
      ? ""
      : `  ! showed its credential ${echo.times} times, last at ${new Date(echo.last_at * 1000).toISOString()}`;
  return `${id.padEnd(14)}${connector.padEnd(14)}${base_url}${warning}`;
}
