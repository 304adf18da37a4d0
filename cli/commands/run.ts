import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatDuration, parseDuration } from "../../src/domain/duration.ts";
import { parseAccess } from "../access-short-form.ts";
import type { Opened, SessionAsk, StintClient } from "../agent-client.ts";
import { AGENT_HELP, AGENT_OPTIONS, agentOf } from "../agent-options.ts";
import { CliError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import { CANNOT_RUN, DENIED, NOT_DECIDED, NOT_FOUND, NOT_RUN } from "../exit-codes.ts";
import type { GrantedSession } from "../granted-session.ts";
import { openEndpoint, type LocalEndpoint } from "../local-endpoint.ts";
import { plainText } from "../plain-text.ts";
import { programEnvironment, variableOf } from "../program-environment.ts";
import { receiptBundle } from "../receipt-bundle.ts";
import { summariseReceipt } from "../receipt-summary.ts";
import { codeOfSignal, runProgram, Signals } from "../run-program.ts";
import { openRequest, waitForDecision } from "../wait-for-decision.ts";

/** How often a wait says that it still waits, in seconds. */
const PROGRESS_SECONDS = 60;

export const runCommand: Command = {
  summary: "run a program with access that a human approves, and take it back when it ends",
  help: `Usage: stint run --task TITLE --access ACCESS... [options] -- COMMAND [ARGUMENTS]

Asks for a session, prints the match code, waits for the human, then runs COMMAND. The program finds each
granted upstream at an address on loopback, which adds Stint's token and proof to every call: it needs to
know nothing of Stint, and is given no credential. When it ends the session ends, and the receipt is
printed. Ctrl-C and signals reach the program; while nobody has decided yet they take the request back.

  --task TITLE        what the access is for
  --description TEXT  more of it
  --access ACCESS     upstream:operation@location; may be given several times
  --for TIME          how long, such as 30m (default 15m)
  --user PERSON       the person it works for
  --receipt FILE      also write the signed receipt to FILE, for stint verify
${AGENT_HELP}
The program's environment has
  STINT_UPSTREAM_<ID>_URL            for every upstream, its id in capitals and with _ for what is no letter or digit
  GITHUB_API_URL, GITHUB_GRAPHQL_URL, LINEAR_API_URL, NOTION_API_URL, SLACK_API_URL, STRIPE_API_BASE,
  GMAIL_API_URL, GOOGLE_CALENDAR_API_URL, GOOGLE_DRIVE_API_URL
                                     for upstreams whose id is github, linear, … or begins with it (github-acme)
  GITHUB_TOKEN, GH_TOKEN and the like, with a word that opens nothing, for programs that insist on a token

Exit code: the program's own (128 and the signal's number when a signal ended it), or
  2  wrong usage            ${DENIED}  a human refused       ${NOT_DECIDED}  nobody decided in time
  ${NOT_RUN}  Stint gave no session  ${CANNOT_RUN}  COMMAND cannot be run  ${NOT_FOUND}  there is no COMMAND
`,
  async run(args) {
    const split = args.indexOf("--");
    const command = split < 0 ? [] : args.slice(split + 1);
    const { values } = parseArgs({
      args: split < 0 ? args : args.slice(0, split),
      options: {
        ...AGENT_OPTIONS,
        task: { type: "string" },
        description: { type: "string" },
        access: { type: "string", multiple: true },
        for: { type: "string" },
        user: { type: "string" },
        receipt: { type: "string" },
      },
    });
    const { task, description, access, user } = values;
    if (task === undefined || access === undefined || command.length === 0)
      throw new CliError("--task, --access and, behind --, a command are needed; stint run --help tells more", 2);
    const seconds = parseDuration(values.for ?? "15m");
    if (seconds === undefined) throw new CliError("--for must be a time such as 90s, 30m or 2h", 2);
    const ask = {
      task: { title: task, ...(description === undefined ? {} : { description }) },
      authorization_details: upstreamsOnly(access),
      expires_in: seconds,
      ...(user === undefined ? {} : { user }),
    };
    const client = await agentOf(values);
    const signals = new Signals();
    try {
      return await runUnderSession(client, ask, command, signals, values.receipt);
    } finally {
      signals.close();
    }
  },
};

async function runUnderSession(
  client: StintClient,
  ask: SessionAsk,
  command: readonly string[],
  signals: Signals,
  receiptFile: string | undefined,
): Promise<number> {
  const opened = await openRequest(client, ask).catch((fault: Error) => {
    throw new CliError(fault.message, NOT_RUN);
  });
  const session = await decided(client, opened, signals);
  if (typeof session === "number") return session;
  tell(`approved, for ${formatDuration(session.secondsLeft)}`);
  session.onEnd = (outcome) => tell(`the session has ended before the program did: ${outcome}`);
  let endpoint: LocalEndpoint | undefined;
  try {
    endpoint = await openEndpoint(session);
    return await runProgram(command, programEnvironment(process.env, session.upstreams, endpoint.baseOf), signals);
  } finally {
    await endpoint?.close();
    await close(session, receiptFile);
  }
}

/** The session, or the exit code when there is none. */
async function decided(client: StintClient, opened: Opened, signals: Signals): Promise<GrantedSession | number> {
  const giveUp = new AbortController();
  let given: NodeJS.Signals | undefined;
  signals.onSignal = (signal) => {
    given ??= signal;
    giveUp.abort();
  };
  tell(`match code ${opened.match_code}; waiting for a human to decide`);
  const decision = await waitForDecision(client, opened, giveUp.signal, progress()).catch((fault: Error) => {
    if (given === undefined) throw fault;
    return undefined;
  });
  // A decision that arrived together with the signal is one to give back, too.
  if (given !== undefined || decision === undefined) {
    if (decision?.kind === "approved") await decision.session.end().catch(() => undefined);
    else await client.withdraw(opened.session_id).catch(() => undefined);
    tell("the request was taken back");
    return codeOfSignal(given ?? "SIGINT");
  }
  switch (decision.kind) {
    case "approved":
      return decision.session;
    case "denied":
      tell(`refused${decision.comment === undefined ? "" : `: ${decision.comment}`}`);
      return DENIED;
    case "expired":
      tell("nobody decided in time; ask again");
      return NOT_DECIDED;
    case "refused":
      tell(decision.why);
      return NOT_RUN;
  }
}

function progress(): (secondsLeft: number) => void {
  let said: number | undefined;
  return (left) => {
    said ??= left;
    if (said - left < PROGRESS_SECONDS) return;
    said = left;
    tell(`still waiting; the request is open for another ${formatDuration(left)}`);
  };
}

/** Ends the session and shows its receipt. What fails here does not change how the program ended. */
async function close(session: GrantedSession, receiptFile: string | undefined): Promise<void> {
  const left = formatDuration(session.secondsLeft);
  const receipt = await session.end().catch(() => undefined);
  if (receipt === undefined) {
    tell(
      session.outcome === undefined
        ? `the session could not be ended; it ends by itself in ${left}`
        : `the session has ended (${session.outcome}); its operator sees the receipt: stint receipt ${session.sessionId}`,
    );
    return;
  }
  process.stderr.write(plainText(summariseReceipt(receipt)));
  if (receiptFile === undefined) return;
  try {
    writeFileSync(receiptFile, await receiptBundle(session.client.issuer, receipt), { mode: 0o600 });
  } catch {
    tell(`the receipt could not be written to ${receiptFile}`);
  }
}

function upstreamsOnly(access: readonly string[]): object[] {
  const details = parseAccess(access) as { type: string; upstream?: string }[];
  const upstreams = [...new Set(details.map(({ upstream }) => upstream ?? ""))];
  if (upstreams.includes(""))
    throw new CliError(
      "a program is given upstreams only, such as github:issues:read@acme/api; for the tools of servers there are stint mcp and the SDK",
      2,
    );
  if (new Set(upstreams.map(variableOf)).size < upstreams.length)
    throw new CliError("two of these upstreams have names that make the same environment variable", 2);
  return details;
}

function tell(text: string): void {
  process.stderr.write(plainText(`stint: ${text}\n`));
}
