import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

interface SecretRow {
  readonly name: string;
  readonly kept: "sealed" | "environment" | "missing";
  /** Whether the tenant document refers to it. */
  readonly needed: boolean;
}

export const secretsCommand: Command = {
  summary: "put a secret into the sealed store, list their names, or remove one",
  help: `Usage: stint secrets set NAME < FILE  [--url ISSUER] [--data DIR]
       stint secrets list             [--url ISSUER] [--data DIR]
       stint secrets remove NAME      [--url ISSUER] [--data DIR]

set      seals what it reads from standard input under NAME, for { "secret": "NAME" } in the tenant document.
         Nothing readable ever comes back out
list     prints each name that is sealed or that the document refers to, and where its value is
remove   forgets what is sealed under NAME. Make it worthless where it came from as well

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [verb, name, ...rest] = positionals;
    if (verb === "list" && name === undefined) {
      const { secrets } = await callAdmin<{ secrets: SecretRow[] }>(values, "GET", "/admin/secrets");
      if (secrets.length === 0) process.stdout.write("No secret is sealed, and the tenant document refers to none.\n");
      for (const secret of secrets) process.stdout.write(`${describe(secret)}\n`);
      return 0;
    }
    if ((verb !== "set" && verb !== "remove") || name === undefined || rest.length > 0)
      throw new CliError("say list, or set or remove with a NAME; stint secrets --help tells more", 2);
    const path = `/admin/secrets/${encodeURIComponent(name)}`;
    if (verb === "remove") {
      await callAdmin(values, "DELETE", path);
      process.stdout.write(`Removed ${name}.\n`);
      return 0;
    }
    if (process.stdin.isTTY)
      throw new CliError("give the value on standard input, for example: stint secrets set NAME < key.pem", 2);
    const value = (await readAll()).replace(/\r?\n$/, "");
    if (value === "") throw new CliError(`standard input was empty; stint secrets set ${name} < FILE`);
    await callAdmin(values, "PUT", path, { value });
    process.stdout.write(`Sealed ${name}.\n`);
    return 0;
  },
};

function describe({ name, kept, needed }: SecretRow): string {
  const where = { sealed: "sealed", environment: "in the broker's environment", missing: "! missing" }[kept];
  return `${name.padEnd(30)} ${where}${needed ? "" : ", and nothing refers to it"}`;
}

async function readAll(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
