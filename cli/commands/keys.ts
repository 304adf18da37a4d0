import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface KeyRow {
  readonly kid: string;
  readonly use: string;
  readonly status: string;
  readonly signs_from: number;
  readonly verify_until: number | null;
}

export const keysCommand: Command = {
  summary: "list, rotate or retire the keys that sign tokens",
  help: `Usage: stint keys list             [--url ISSUER] [--data DIR]
       stint keys rotate [--use USE] [--url ISSUER] [--data DIR]
       stint keys retire KID         [--url ISSUER] [--data DIR]

list     prints every key: what it signs, since when, and until when that is believed
rotate   makes new keys. Each is published first and begins to sign some minutes later, when nobody
         can hold an older key set; the old one is believed until the last thing it signed has ended.
         --use takes one kind: access_token, approval_link, introspection, receipt, checkpoint
retire   takes a key out of use at once, for when it was seen by somebody else. A new key signs from
         now on; everything that the old one signed is refused within five seconds, so open sessions
         have to be asked for again

${ADMIN_HELP}`,
  async run(args) {
    const options = { ...ADMIN_OPTIONS, use: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [verb, kid] = positionals;
    switch (verb) {
      case "list": {
        const { keys } = await callAdmin<{ keys: KeyRow[] }>(values, "GET", "/admin/keys");
        for (const key of keys) process.stdout.write(`${describe(key)}\n`);
        return 0;
      }
      case "rotate": {
        const body = values.use === undefined ? {} : { use: values.use };
        const { created } = await callAdmin<{ created: KeyRow[] }>(values, "POST", "/admin/keys/rotate", body);
        for (const key of created)
          process.stdout.write(`${key.use}: ${key.kid} signs from ${timeOf(key.signs_from)} on\n`);
        return 0;
      }
      case "retire": {
        if (kid === undefined) throw new CliError("say which key; stint keys list names them", 2);
        const path = `/admin/keys/${encodeURIComponent(kid)}/retire`;
        const { successor } = await callAdmin<{ successor: string }>(values, "POST", path, {});
        process.stdout.write(`${kid} is retired; ${successor} signs from now on\n`);
        return 0;
      }
      default:
        throw new CliError("say list, rotate or retire; stint keys --help tells more", 2);
    }
  },
};

function describe({ kid, use, status, signs_from, verify_until }: KeyRow): string {
  const until = verify_until === null ? "" : `, believed until ${timeOf(verify_until)}`;
  return `${use.padEnd(14)} ${kid}  ${status.padEnd(10)} since ${timeOf(signs_from)}${until}`;
}

function timeOf(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace(".000", "");
}
