/**
 * An expected outcome as a value. Exceptions are left for bugs, because error classes do not
 * survive a call between a worker and an object.
 */
export type Result<T, E> = { ok: true; value: T } | { ok: false; error: E };

export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

export function err<E>(error: E): { ok: false; error: E } {
  return { ok: false, error };
}
