import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const keygenCommand: Command = {
  summary: "make a key for an agent or a server",
  help: `Usage: stint keygen FILE

Writes a private key (ES256, JWK) to FILE, readable by its owner alone, and prints the public half
for "jwks" in the tenant document.
`,
  async run(args) {
    const { positionals } = parseArgs({ args, allowPositionals: true });
    const [file] = positionals;
    if (file === undefined) throw new CliError("name the file to write", 2);
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const about = { kid: randomBytes(8).toString("hex"), alg: "ES256", use: "sig" };
    try {
      writeFileSync(file, `${JSON.stringify({ ...privateKey.export({ format: "jwk" }), ...about })}\n`, {
        mode: 0o600,
        flag: "wx",
      });
    } catch (fault) {
      throw new CliError(
        (fault as NodeJS.ErrnoException).code === "EEXIST"
          ? `${file} is there already; a key is never overwritten`
          : `${file} cannot be written`,
      );
    }
    process.stdout.write(`${JSON.stringify({ ...publicKey.export({ format: "jwk" }), ...about })}\n`);
    return 0;
  },
};
