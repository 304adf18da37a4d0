import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { JWK } from "jose";

export interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly jws: string;
  readonly result: "valid" | "invalid" | "acceptable";
}

export interface VectorGroup {
  readonly comment: string;
  readonly private: JWK | { readonly keys: readonly JWK[] };
  readonly public?: JWK;
  readonly tests: readonly Vector[];
}

/** Where C2SP's Wycheproof vectors lie, if they do. They are not part of this repository. */
const DIRECTORY = resolve(process.env["WYCHEPROOF_DIR"] ?? join("..", "shared", "vectors"));

/** The groups of a file of vectors; undefined where there is none, and then what needs them says that it did not run. */
export function vectors(name: "json-web-signature" | "json-web-key"): readonly VectorGroup[] | undefined {
  const file = join(DIRECTORY, `wycheproof-${name}.json`);
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, "utf8")) as { testGroups: VectorGroup[] }).testGroups;
}
