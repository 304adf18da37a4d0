import { parseArgs } from "node:util";
import { ADMIN_OPTIONS, DEFAULT_DATA, DEFAULT_URL } from "../admin-client.ts";
import type { Command } from "../command.ts";
import { adminTokenOf } from "../data-directory.ts";

export const adminTokenCommand: Command = {
  summary: "print a tenant's admin token, for other machines",
  help: `Usage: stint admin-token [--url ISSUER] [--data DIR]

Prints the token that the admin API of one tenant takes. Keep it as you keep a password.

  --url ISSUER   the tenant's issuer (default ${DEFAULT_URL})
  --data DIR     the broker's data directory (default ${DEFAULT_DATA})
`,
  async run(args) {
    const { values } = parseArgs({ args, options: ADMIN_OPTIONS });
    process.stdout.write(`${adminTokenOf(values.data ?? DEFAULT_DATA, values.url ?? DEFAULT_URL)}\n`);
    return 0;
  },
};
