import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin, DEFAULT_DATA } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { replaceKek } from "../data-directory.ts";

interface KeyRow {
  readonly kid: string;
  readonly use: string;
  readonly status: string;
  readonly signs_from: number;
  readonly verify_until: number | null;
}

interface KeyList {
  readonly keys: readonly KeyRow[];
  readonly data_key: {
    readonly version: number;
    readonly kek: { readonly current: string; readonly still_needed: readonly string[] };
  };
}

interface Rotated {
  readonly created: readonly KeyRow[];
  readonly data_key?: { readonly version: number; readonly kek: string; readonly resealed: number };
}

export const keysCommand: Command = {
  summary: "list, rotate or retire the keys that sign and seal",
  help: `Usage: stint keys list             [--url ISSUER] [--data DIR]
       stint keys rotate [--use USE] [--url ISSUER] [--data DIR]
       stint keys retire KID         [--url ISSUER] [--data DIR]
       stint keys new-kek                           [--data DIR]

list     prints every key: what it signs, since when, and until when that is believed
rotate   makes new keys. Each is published first and begins to sign some minutes later, when nobody
         can hold an older key set; the old one is believed until the last thing it signed has ended.
         --use takes one kind: access_token, approval_link, invitation, introspection, receipt,
         checkpoint, upstream_token; or data: the key that seals what is kept. A new one seals from now on,
         what is kept is sealed anew, and all of them are wrapped by the broker's current key-encryption key
retire   takes a key out of use at once, for when it was seen by somebody else. A new key signs from
         now on; everything that the old one signed is refused within five seconds, so open sessions
         have to be asked for again
new-kek  makes a new key-encryption key in a data directory and keeps the old one beside it, as kek.old;
         nothing is lost if it is cut off. Start the broker again, run stint keys rotate --use data for
         every tenant, and remove kek.old when stint keys list says that nothing needs it

${ADMIN_HELP}`,
  async run(args) {
    const options = { ...ADMIN_OPTIONS, use: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [verb, kid] = positionals;
    switch (verb) {
      case "list": {
        const { keys, data_key } = await callAdmin<KeyList>(values, "GET", "/admin/keys");
        for (const key of keys) process.stdout.write(`${describe(key)}\n`);
        const { current, still_needed } = data_key.kek;
        process.stdout.write(`data           version ${data_key.version}, wrapped by ${current}\n`);
        for (const kek of still_needed)
          process.stdout.write(`               ${kek} is still needed; stint keys rotate --use data wraps anew\n`);
        return 0;
      }
      case "rotate": {
        const body = values.use === undefined ? {} : { use: values.use };
        const { created, data_key } = await callAdmin<Rotated>(values, "POST", "/admin/keys/rotate", body);
        for (const key of created)
          process.stdout.write(`${key.use}: ${key.kid} signs from ${timeOf(key.signs_from)} on\n`);
        if (data_key !== undefined)
          process.stdout.write(
            `data: version ${data_key.version} seals from now on, ${data_key.resealed} sealed anew; all wrapped by ${data_key.kek}\n`,
          );
        return 0;
      }
      case "retire": {
        if (kid === undefined) throw new CliError("say which key; stint keys list names them", 2);
        const path = `/admin/keys/${encodeURIComponent(kid)}/retire`;
        const { successor } = await callAdmin<{ successor: string }>(values, "POST", path, {});
        process.stdout.write(`${kid} is retired; ${successor} signs from now on\n`);
        return 0;
      }
      case "new-kek": {
        const data = resolve(values.data ?? DEFAULT_DATA);
        replaceKek(data);
        process.stdout.write(
          `${data}/kek is new, and the old one is in kek.old. Start the broker again, then run for every tenant:
  stint keys rotate --use data
and remove kek.old when stint keys list says that nothing needs it.
`,
        );
        return 0;
      }
      default:
        throw new CliError("say list, rotate or retire, or new-kek; stint keys --help tells more", 2);
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
