/**
 * Makes something when it is first needed, and once. Guards and agents are made where a module
 * begins, and there a Worker may neither wait nor draw random numbers.
 */
export function lazy<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
