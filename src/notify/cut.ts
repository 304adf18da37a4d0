/** Shortens a text to so many UTF-16 units, never through the middle of a character. */
export function cut(text: string, units: number): string {
  if (text.length <= units) return text;
  const kept = text.slice(0, units - 1);
  return `${kept.isWellFormed() ? kept : kept.slice(0, -1)}…`;
}
