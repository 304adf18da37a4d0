import { readFileSync, statSync } from "node:fs";
import type { JWK } from "jose";
import { CliError } from "./cli-error.ts";

/** Reads a private key that `stint keygen` wrote, unless others can read it too. */
export function readKeyFile(file: string): JWK {
  const { key, mode } = read(file);
  if ((mode & 0o077) !== 0) throw new CliError(`${file} can be read by others; run: chmod 600 ${file}`);
  return key;
}

function read(file: string): { key: JWK; mode: number } {
  try {
    return { key: JSON.parse(readFileSync(file, "utf8")) as JWK, mode: statSync(file).mode };
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "ENOENT")
      throw new CliError(`there is no file ${file}; stint keygen ${file} makes a key`);
    throw new CliError(`${file} is not a key; stint keygen makes one`);
  }
}
