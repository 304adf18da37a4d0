/**
 * Writes a JSON value by RFC 8785, so that its digest depends on nothing but what it says: members in the
 * order of their UTF-16 code units, no white space. What JSON leaves out is left out.
 */
export function canonicalJson(value: unknown): string {
  return write(JSON.parse(JSON.stringify(value)));
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  // Not a new object in this order: engines put names that are numbers first.
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`).join(",")}}`;
}
