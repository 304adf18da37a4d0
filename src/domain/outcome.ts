import { unitsOf } from "./access.ts";
import { formatDuration } from "./duration.ts";
import { limitLines, unitLine, type Labels } from "./facts.ts";
import type { Decision, Ending, SessionState } from "./session.ts";

const ENDED: Readonly<Record<Ending, string>> = {
  completed: "It has ended: the agent was done.",
  expired: "It has ended: its time was up.",
  revoked: "It has ended: it was taken away.",
  denied: "It has ended.",
  withdrawn: "It has ended: the agent took it back.",
};

/** How a request came out, in Stint's own words: who decided, and what was granted. */
export function describeOutcome(state: SessionState, labels: Labels): { headline: string; paragraphs: string[] } {
  const { agent_name: agent } = labels;
  if (state.status === "pending") return { headline: `${agent} asks for access`, paragraphs: [] };
  const { decision, grant } = state;
  if (decision === undefined) {
    const why = state.status === "ended" && state.how === "expired" ? "Nobody decided in time." : "It was taken back.";
    return { headline: `${agent}'s request is over`, paragraphs: [`${why} Nothing was granted.`] };
  }
  if (decision.verdict === "denied" || grant === undefined)
    return {
      headline: `${agent}'s request was denied`,
      paragraphs: [`${whoDecided(decision)} denied it. Nothing was granted.`],
    };
  const lines = grant.authorization_details.flatMap(unitsOf).map((unit) => unitLine(unit, labels));
  const limits = limitLines(grant.authorization_details);
  return {
    headline: `${agent}'s request was approved`,
    paragraphs: [
      `${whoDecided(decision)} approved it, for ${formatDuration(grant.expires_at - decision.decided_at)}.`,
      `It may: ${lines.join("; ")}.`,
      ...(limits.length === 0 ? [] : [`In all at most: ${limits.join("; ")}.`]),
      ...(state.status === "ended" ? [ENDED[state.how]] : []),
    ],
  };
}

function whoDecided({ person, on_behalf_of, break_glass }: Decision): string {
  if (break_glass !== undefined) return `Breaking the glass, the admin ${person} alone (${break_glass})`;
  return on_behalf_of === undefined ? person : `${person}, in the place of ${on_behalf_of},`;
}
