import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { verifyReceipt } from "../receipt-verifier.ts";

interface Bundle {
  readonly receipt: string;
  readonly jwks?: { readonly keys: readonly object[] };
}

export const verifyCommand: Command = {
  summary: "check a receipt and its approval, without the broker",
  help: `Usage: stint verify FILE [--jwks FILE]

Checks what stint receipt --bundle (or --raw) printed: the signature, that the grant is the one that was
decided, and the passkey's own signature over it. Nothing is asked of any broker, so it works years later.

  --jwks FILE    the issuer's keys (what its /oauth/jwks answered), kept from a time when you trusted it.
                 Without it the keys in the bundle are used, which proves only that the bundle is whole.
`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { jwks: { type: "string" } } });
    const [file] = positionals;
    if (file === undefined) throw new CliError("name the file; stint verify --help tells more", 2);
    const { receipt, jwks: enclosed } = readBundle(file);
    const jwks = values.jwks === undefined ? enclosed : (readJson(values.jwks) as Bundle["jwks"]);
    if (jwks === undefined || !Array.isArray(jwks.keys))
      throw new CliError("there are no keys to check with: pass the issuer's with --jwks FILE", 2);
    const verified = await verifyReceipt(receipt, jwks);
    if (!verified.ok) throw new CliError(`${file} does not hold: ${verified.fault}`);
    for (const finding of verified.findings) process.stdout.write(`ok  ${finding}\n`);
    if (values.jwks === undefined)
      process.stdout.write("    The keys came with the receipt. Compare them with the issuer's, or pass --jwks.\n");
    return 0;
  },
};

function readBundle(file: string): Bundle {
  const text = readText(file).trim();
  if (!text.startsWith("{")) return { receipt: text };
  const bundle = readJson(file) as Partial<Bundle>;
  if (typeof bundle.receipt !== "string") throw new CliError(`${file} holds no receipt`, 2);
  return bundle as Bundle;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readText(file));
  } catch (fault) {
    if (fault instanceof CliError) throw fault;
    throw new CliError(`${file} is not JSON`, 2);
  }
}

function readText(file: string): string {
  if (!existsSync(file)) throw new CliError(`there is no file ${file}`, 2);
  return readFileSync(file, "utf8");
}
