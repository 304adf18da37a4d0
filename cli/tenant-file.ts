import { readFileSync } from "node:fs";
import { CliError } from "./cli-error.ts";

/** A tenant's document as far as the command line must know it. */
export interface TenantFile {
  readonly path: string;
  readonly issuer: string;
  readonly document: Record<string, unknown>;
}

/** Reads a tenant document; says where its JSON breaks. Whether it makes sense, the broker says. */
export function readTenantFile(path: string): TenantFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw new CliError(`${path} cannot be read`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (fault) {
    throw new CliError(`${path} is not JSON: ${placeOf(text, fault)}`);
  }
  const issuer = (document as { issuer?: unknown } | null)?.issuer;
  if (typeof issuer !== "string" || !URL.canParse(issuer) || new URL(issuer).origin !== issuer) {
    throw new CliError(
      `${path}: /issuer must be an origin such as https://stint.acme.example or http://localhost:8787`,
    );
  }
  return { path, issuer, document: document as Record<string, unknown> };
}

function placeOf(text: string, fault: unknown): string {
  const message = fault instanceof Error ? fault.message : "";
  const position = /position (\d+)/.exec(message)?.[1];
  if (position === undefined) return message;
  const before = text.slice(0, Number(position)).split("\n");
  return `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
}
