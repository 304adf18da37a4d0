import { readFileSync } from "node:fs";
import type { JWK } from "jose";
import { CliError } from "./cli-error.ts";

/** Reads a private key that `stint keygen` wrote. */
export function readKeyFile(file: string): JWK {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as JWK;
  } catch {
    throw new CliError(`${file} is not a key; stint keygen makes one`);
  }
}
