/**
 * Sets an object's alarm to the earliest of these moments (epoch milliseconds). One that is set already is
 * never put off: what happens again and again would otherwise keep it from ever ringing.
 */
export async function arm(storage: DurableObjectStorage, moments: readonly (number | undefined)[]): Promise<void> {
  const at = Math.min(...moments.map((moment) => moment ?? Infinity));
  if (at === Infinity) return;
  const set = await storage.getAlarm();
  if (set === null || at < set) await storage.setAlarm(at);
}
