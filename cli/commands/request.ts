import { parseArgs } from "node:util";
import { parseDuration } from "../../src/domain/duration.ts";
import { parseAccess } from "../access-short-form.ts";
import { AGENT_HELP, AGENT_OPTIONS, agentOf } from "../agent-options.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { DENIED, NOT_DECIDED } from "../exit-codes.ts";
import { openRequest, waitForDecision } from "../wait-for-decision.ts";

export const requestCommand: Command = {
  summary: "ask for a session as an agent, and wait for the human",
  help: `Usage: stint request --client-id ID --key FILE --task TITLE --access ACCESS... [options]

Asks, prints the match code, waits for the decision, and prints what came of it as JSON. Its DPoP key
lives as long as the command, so this is for trying things out; stint run lends the access to a program.
The session itself lives on until its time is up, or stint revoke.

  --task TITLE        what the access is for
  --description TEXT  more of it
  --access ACCESS     upstream:operation@location or mcp:server:tool; may be given several times
  --for TIME          how long, such as 30m (default 15m)
${AGENT_HELP}
Exit code: 0 with a session; 121 a human refused, 122 nobody decided in time, as with stint run; else 1 or 2
`,
  async run(args) {
    const { values } = parseArgs({
      args,
      options: {
        ...AGENT_OPTIONS,
        task: { type: "string" },
        description: { type: "string" },
        access: { type: "string", multiple: true },
        for: { type: "string" },
      },
    });
    const { task, description, access } = values;
    if (task === undefined || access === undefined)
      throw new CliError("--task and --access are needed; stint request --help tells more", 2);
    const expiresIn = parseDuration(values.for ?? "15m");
    if (expiresIn === undefined) throw new CliError("--for must be a time such as 90s, 30m or 2h", 2);
    const client = await agentOf(values);
    const opened = await openRequest(client, {
      task: { title: task, ...(description === undefined ? {} : { description }) },
      authorization_details: parseAccess(access),
      expires_in: expiresIn,
    });
    process.stderr.write(`Asked. Match code ${opened.match_code}. Waiting for a human…\n`);
    const decision = await waitForDecision(client, opened);
    switch (decision.kind) {
      case "approved":
        process.stdout.write(`${JSON.stringify(decision.token, undefined, 2)}\n`);
        return 0;
      case "denied":
        throw new CliError(`denied${decision.comment === undefined ? "" : `: ${decision.comment}`}`, DENIED);
      case "expired":
        throw new CliError("nobody decided in time; ask again", NOT_DECIDED);
      case "refused":
        throw new CliError(decision.why);
    }
  },
};
