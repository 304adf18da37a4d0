import { parseArgs } from "node:util";
import { ADMIN_HELP, ADMIN_OPTIONS, callAdmin } from "../admin-client.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";

export const inviteCommand: Command = {
  summary: "invite a person to make a passkey",
  help: `Usage: stint invite PERSON [--at-once] [--url ISSUER] [--data DIR]

Prints a link with which PERSON (an id of the tenant's people) makes one passkey. It is good once, for
three days. Bring it to them yourself, by a way that you trust: whoever opens it becomes PERSON.

The first passkey of a person can approve at once. A further one waits a day, in which its owner, who is
told of it by Slack and mail, can object.

  --at-once      lets a further passkey approve at once too, for somebody who has lost theirs
${ADMIN_HELP}`,
  async run(args) {
    const options = { ...ADMIN_OPTIONS, "at-once": { type: "boolean" } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [person] = positionals;
    if (person === undefined) throw new CliError("say whom; stint invite --help tells more", 2);
    const path = `/admin/people/${encodeURIComponent(person)}/invite`;
    const { link } = await callAdmin<{ link: string }>(values, "POST", path, { at_once: values["at-once"] === true });
    process.stdout.write(`${link}\n`);
    return 0;
  },
};
