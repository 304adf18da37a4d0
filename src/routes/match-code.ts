import { equalsConstantTime } from "../crypto/hash.ts";
import type { SessionState } from "../domain/session.ts";
import type { Entered } from "./approval-visit.tsx";

/** Whether the approver has to type the match code, and is not told it. */
export function asksForCode({ plan }: SessionState): boolean {
  return plan.enter_match_code === true;
}

/**
 * What is wrong with the match code that was typed, where one is asked for: as people type, in any
 * case, with or without the dash. A wrong one counts; none at all does not.
 */
export async function codeFault({
  form,
  decider,
  session,
  description: { state, setting },
}: Entered): Promise<"wrong_code" | "too_many_codes" | undefined> {
  if (!asksForCode(state)) return undefined;
  const typed = lettersOf(form.get("match_code") ?? "");
  if (typed === "") return "wrong_code";
  switch (await session.typeCode(decider.person, equalsConstantTime(typed, lettersOf(setting.match_code)))) {
    case "right":
      return undefined;
    case "wrong":
      return "wrong_code";
    case "too_many":
      return "too_many_codes";
  }
}

function lettersOf(code: string): string {
  return code.toUpperCase().replaceAll(/[^A-Z0-9]/g, "");
}
