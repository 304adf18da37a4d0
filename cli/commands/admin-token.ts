import { parseArgs } from "node:util";
import { ADMIN_OPTIONS, DEFAULT_DATA, DEFAULT_URL, issuerOf } from "../admin-client.ts";
import type { Command } from "../command.ts";
import { adminTokenBy, adminTokenOf } from "../data-directory.ts";

export const adminTokenCommand: Command = {
  summary: "print a tenant's admin token, for other machines",
  help: `Usage: stint admin-token [--url ISSUER] [--data DIR]

Prints the token that the admin API of one tenant takes. Keep it as you keep a password.

  --url ISSUER   the tenant's issuer (or STINT_URL; default ${DEFAULT_URL})
  --data DIR     the broker's data directory, for its admin key (default ${DEFAULT_DATA});
                 of a broker on Cloudflare set STINT_ADMIN_KEY to the secret of that name instead
`,
  async run(args) {
    const { values } = parseArgs({ args, options: ADMIN_OPTIONS });
    const issuer = issuerOf(values.url);
    const key = values.data === undefined ? process.env["STINT_ADMIN_KEY"] : undefined;
    const token = key === undefined ? adminTokenOf(values.data ?? DEFAULT_DATA, issuer) : adminTokenBy(key, issuer);
    process.stdout.write(`${token}\n`);
    return 0;
  },
};
