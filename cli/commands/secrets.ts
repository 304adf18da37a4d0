import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const secretsCommand: Command = {
  summary: "put a secret into the sealed store, from standard input",
  help: `Usage: stint secrets set NAME < FILE

Seals what it reads from standard input under NAME, for { "secret": "NAME" } in the tenant document.
Nothing readable ever comes back out.

${ADMIN_HELP}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: ADMIN_OPTIONS });
    const [verb, name, ...rest] = positionals;
    if (verb !== "set" || name === undefined || rest.length > 0)
      throw new CliError("the usage is: stint secrets set NAME < FILE", 2);
    if (process.stdin.isTTY)
      throw new CliError("give the value on standard input, for example: stint secrets set NAME < key.pem", 2);
    const value = (await readAll()).replace(/\r?\n$/, "");
    if (value === "") throw new CliError(`standard input was empty; stint secrets set ${name} < FILE`);
    await callAdmin(values, "PUT", `/admin/secrets/${encodeURIComponent(name)}`, { value });
    process.stdout.write(`Sealed ${name}.\n`);
    return 0;
  },
};

async function readAll(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
