import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin, issuerOf } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { receiptBundle } from "../receipt-bundle.ts";

export const receiptCommand: Command = {
  summary: "print the signed closing statement of a session",
  help: `Usage: stint receipt SESSION_ID [--raw | --bundle] [--url ISSUER] [--data DIR]

Prints what was granted and by whom, how it ended, and what became of each credential, once the session
has ended.

  --raw          print the signed token itself (JWS, key in the issuer's JWKS), not its content
  --bundle       print the token together with the issuer's keys of today, for stint verify
${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...ADMIN_OPTIONS, raw: { type: "boolean" }, bundle: { type: "boolean" } },
    });
    const [sessionId] = positionals;
    if (sessionId === undefined) throw new CliError("name the session; stint sessions lists them", 2);
    const { receipt } = await callAdmin<{ receipt: string }>(
      values,
      "GET",
      `/admin/sessions/${encodeURIComponent(sessionId)}/receipt`,
    );
    if (values.bundle === true) {
      process.stdout.write(await receiptBundle(issuerOf(values.url), receipt));
      return 0;
    }
    const claims = JSON.parse(Buffer.from(receipt.split(".")[1] ?? "", "base64url").toString()) as unknown;
    process.stdout.write(values.raw === true ? `${receipt}\n` : `${JSON.stringify(claims, undefined, 2)}\n`);
    return 0;
  },
};
