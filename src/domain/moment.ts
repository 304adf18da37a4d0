// Date is used for its arithmetic alone: nothing in here reads a clock.

/** Epoch seconds of an RFC 3339 time. */
export function secondsOf(time: string): number {
  // oxlint-disable-next-line no-restricted-globals -- arithmetic
  return Math.floor(Date.parse(time) / 1000);
}

/** A moment as every reader reads it alike: `Sun, 31 Jan 2027 18:00:00 GMT`. */
export function timeText(seconds: number): string {
  // oxlint-disable-next-line no-restricted-globals -- arithmetic
  return new Date(seconds * 1000).toUTCString();
}

/** A moment as programs read it (RFC 3339): `2027-01-31T18:00:00.000Z`. */
export function rfc3339(seconds: number): string {
  // oxlint-disable-next-line no-restricted-globals -- arithmetic
  return new Date(seconds * 1000).toISOString();
}
