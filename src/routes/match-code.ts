import { equalsConstantTime } from "../crypto/hash.ts";
import type { SessionState } from "../domain/session.ts";
import type { Entered } from "./approval-visit.tsx";

/** Whether the approver has to type the match code, and is not told it. */
export function asksForCode({ plan }: SessionState): boolean {
  return plan.enter_match_code === true;
}

/** Whether the code that the agent shows was typed, where that is asked for; as people type, in any case, with or without the dash. */
export function isCodeRight({ form, description }: Entered): boolean {
  const { state, setting } = description;
  const letters = (code: string): string => code.toUpperCase().replaceAll(/[^A-Z0-9]/g, "");
  return !asksForCode(state) || equalsConstantTime(letters(form.get("match_code") ?? ""), letters(setting.match_code));
}
