import type { CallToolResult, InputRequiredResult } from "@modelcontextprotocol/server";
import { formatDuration } from "../src/domain/duration.ts";
import { CliError } from "./cli-error.ts";
import type { HeldSession } from "./held-sessions.ts";

export function success(text: string): CallToolResult {
  return { content: [{ type: "text", text }] };
}

export function failure(text: string): CallToolResult {
  return { isError: true, content: [{ type: "text", text }] };
}

/** How a session stands, for whoever asks for that. */
export async function stateAnswer(held: HeldSession | undefined): Promise<CallToolResult> {
  if (held?.status !== "active") return notActive(held, true);
  const { session } = held;
  const { body } = await session.look();
  if (session.outcome !== undefined) return failure(`The session has ended: ${session.outcome}.`);
  return success(
    `Active for another ${formatDuration(session.secondsLeft)}.\n${JSON.stringify({
      session_id: session.sessionId,
      authorization_details: body["authorization_details"],
      usage: body["usage"],
      comment: body["comment"],
    })}`,
  );
}

/** What stands in the way of a session's use. A request that merely waits is no error to whoever asks for its state. */
export function notActive(
  held: Exclude<HeldSession, { status: "active" }> | undefined,
  isQuestion: boolean,
): CallToolResult {
  switch (held?.status) {
    case undefined:
      return failure("There is no such session here. Ask for one with request_session.");
    case "over":
      return failure(`No access: ${held.why}.`);
    case "pending": {
      const { sessionId, matchCode } = held;
      const text = `Nobody has decided yet about ${sessionId} (match code ${matchCode}). Ask session_state again.`;
      return isQuestion ? success(text) : failure(text);
    }
  }
}

/** Turns what a user can mend, and a broker that is away, into a tool's error. */
export async function refusing<T extends CallToolResult | InputRequiredResult>(
  work: () => Promise<T>,
): Promise<T | CallToolResult> {
  try {
    return await work();
  } catch (fault) {
    return failure(
      fault instanceof CliError ? `Refused: ${fault.message}` : "Stint cannot be reached; try again later.",
    );
  }
}
