import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { readTenantFile } from "../tenant-file.ts";

export interface ApplyAnswer {
  readonly version: number;
  readonly applied: boolean;
  readonly changes: readonly {
    readonly path: string;
    readonly op: "add" | "remove" | "replace";
    readonly before?: unknown;
    readonly after?: unknown;
  }[];
  readonly warnings: readonly { readonly path: string; readonly message: string }[];
}

export const applyCommand: Command = {
  summary: "make a tenant document the tenant's configuration",
  help: `Usage: stint apply TENANT.json [--dry-run] [--url ISSUER] [--data DIR]

Checks the document, prints what it changes, and applies it.

  --dry-run      only check and print
${ADMIN_HELP}`,

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...ADMIN_OPTIONS, "dry-run": { type: "boolean" } },
    });
    const [path, ...rest] = positionals;
    if (path === undefined || rest.length > 0)
      throw new CliError("name one tenant document; stint apply --help tells more", 2);
    const { issuer, document } = readTenantFile(path);
    const dryRun = values["dry-run"] === true;
    const answer = await callAdmin<ApplyAnswer>(
      { url: values.url ?? issuer, data: values.data },
      "POST",
      `/admin/tenant${dryRun ? "?dry_run=true" : ""}`,
      document,
    );
    process.stdout.write(formatApply(answer, dryRun));
    return 0;
  },
};

/** The difference and the warnings, a line each. */
export function formatApply({ version, applied, changes, warnings }: ApplyAnswer, dryRun: boolean): string {
  const lines = changes.map(({ path, op, before, after }) => {
    if (op === "add") return `+ ${path}: ${brief(after)}`;
    return op === "remove" ? `- ${path}: ${brief(before)}` : `~ ${path}: ${brief(before)} -> ${brief(after)}`;
  });
  const outcome = dryRun
    ? "Nothing was applied (dry run)."
    : applied
      ? `Applied as version ${version}.`
      : `No change; version ${version} stays.`;
  return [...lines, ...warnings.map(({ path, message }) => `! ${path}: ${message}`), outcome, ""].join("\n");
}

const BRIEF = 100;

function brief(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > BRIEF ? `${text.slice(0, BRIEF)}…` : text;
}
