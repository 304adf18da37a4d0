/**
 * When a question may be answered, where one is answered each interval: at once, or after a wait for
 * the one before. Undefined where somebody waits already, who is to be answered first.
 *
 * @param last when the question before this one was or will be answered, in the unit of `now`
 */
export function nextTurn(last: number | undefined, now: number, interval: number): number | undefined {
  // Nobody was ever given a turn that far ahead: the clock was set back.
  const before = last === undefined || last > now + interval ? -Infinity : last;
  if (before > now) return undefined;
  return Math.max(now, before + interval);
}
