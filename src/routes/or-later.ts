/** Waits until something has happened, one way or the other, but not for long. */
export async function orLater(event: Promise<unknown>, patienceMs: number): Promise<void> {
  const later = Promise.withResolvers<void>();
  const timer = setTimeout(later.resolve, patienceMs);
  await Promise.race([event.catch(() => undefined), later.promise]);
  clearTimeout(timer);
}
