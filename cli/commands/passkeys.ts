import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface PasskeyRow {
  readonly credential_id: string;
  readonly backup_eligible: boolean;
  readonly created_at: number;
  readonly usable_from: number;
  readonly last_used_at: number | null;
}

export const passkeysCommand: Command = {
  summary: "list a person's passkeys, or take them away",
  help: `Usage: stint passkeys list   PERSON                     [--url ISSUER] [--data DIR]
       stint passkeys revoke PERSON [CREDENTIAL_ID]     [--url ISSUER] [--data DIR]

list     prints each passkey with when it was made, from when it can approve, and when it last did
revoke   takes one away, or all of them where none is named: for a device that was lost, or a person who left

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [verb, person, credential_id] = positionals;
    if ((verb !== "list" && verb !== "revoke") || person === undefined)
      throw new CliError("say list or revoke, and whose; stint passkeys --help tells more", 2);
    const path = `/admin/people/${encodeURIComponent(person)}/passkeys`;
    if (verb === "list") {
      const { passkeys } = await callAdmin<{ passkeys: PasskeyRow[] }>(values, "GET", path);
      for (const passkey of passkeys) process.stdout.write(`${describe(passkey)}\n`);
      if (passkeys.length === 0)
        process.stdout.write(`${person} has no passkey; stint invite ${person} makes a link\n`);
      return 0;
    }
    const body = credential_id === undefined ? {} : { credential_id };
    const { revoked } = await callAdmin<{ revoked: string[] }>(values, "POST", `${path}/revoke`, body);
    process.stdout.write(`${revoked.length} taken away\n`);
    return 0;
  },
};

function describe({ credential_id, backup_eligible, created_at, usable_from, last_used_at }: PasskeyRow): string {
  const used = last_used_at === null ? "never used" : `last used ${timeOf(last_used_at)}`;
  const kind = backup_eligible ? "synced" : "on one device";
  return `${credential_id}  made ${timeOf(created_at)}, approves from ${timeOf(usable_from)}, ${used}, ${kind}`;
}

function timeOf(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace(".000", "");
}
