import { setTimeout as sleep } from "node:timers/promises";

/** Asks again and again until there is an answer; throws after a time. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, deadlineMs = 15_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${deadlineMs / 1000} s`);
    await sleep(50);
  }
}
