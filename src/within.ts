/** What some work comes to, unless it takes longer than so many milliseconds: then undefined. The work itself goes on. */
export function within<T>(ms: number, work: PromiseLike<T>): Promise<T | undefined> {
  return raced(ms, work, () => undefined);
}

/** As {@link within}, for what has to come to something: rejects where it takes longer. */
export function orTimeout<T>(ms: number, work: PromiseLike<T>): Promise<T> {
  return raced(ms, work, () => {
    throw new Error("timeout");
  });
}

async function raced<T, L>(ms: number, work: PromiseLike<T>, late: () => L): Promise<T | L> {
  const time = Promise.withResolvers<void>();
  const timer = setTimeout(time.resolve, ms);
  try {
    return await Promise.race([work, time.promise.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}
