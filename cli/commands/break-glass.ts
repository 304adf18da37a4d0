import { parseArgs } from "node:util";
import type { GlassUse } from "../../src/domain/break-glass.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin, type AdminAccess } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const breakGlassCommand: Command = {
  summary: "let an admin decide a waiting request alone, in an emergency",
  help: `Usage: stint break-glass SESSION_ID --as PERSON --reason TEXT
       stint break-glass list

Only where the tenant document has break_glass. PERSON's roles must hold admin; they get a link and sign with their own
passkey. Every approver, the agent's owner and the shared channel are told at once, with the reason. The session lasts an
hour at most, and one of those who were asked has to review it: until then it is listed, and after the
review's time PERSON cannot break the glass again.

  --as PERSON    the admin who decides; never one whose agent it is
  --reason TEXT  why, for everybody to read
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...ADMIN_OPTIONS, as: { type: "string" }, reason: { type: "string" } },
    });
    const [session_id] = positionals;
    if (session_id === "list") return listUses(values);
    const { as: person, reason } = values;
    if (session_id === undefined || person === undefined || reason === undefined)
      throw new CliError("name the session, --as whom, and the --reason; stint break-glass --help tells more", 2);
    const body = { session_id, person, reason };
    const { link } = await callAdmin<{ link: string }>(values, "POST", "/admin/break-glass", body);
    process.stdout.write(`Everybody is being told. ${person} decides here, with their passkey:\n${link}\n`);
    return 0;
  },
};

async function listUses(access: AdminAccess): Promise<number> {
  const { uses } = await callAdmin<{ uses: GlassUse[] }>(access, "GET", "/admin/break-glass");
  for (const use of uses) process.stdout.write(`${describe(use)}\n`);
  if (uses.length === 0) process.stdout.write("Nobody has broken the glass.\n");
  return 0;
}

function describe({ session_id, client_id, person, reason, at, review_by, reviewed_by, comment }: GlassUse): string {
  const review =
    reviewed_by === null
      ? `NOT REVIEWED, to be by ${timeOf(review_by)}`
      : `reviewed by ${reviewed_by}: ${comment ?? ""}`;
  return `${timeOf(at)}  ${session_id}  ${person} for ${client_id} (${reason})  ${review}`;
}

function timeOf(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace(".000", "");
}
