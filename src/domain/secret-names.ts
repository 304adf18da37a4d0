/** Every secret that a document refers to. */
export function secretNames(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = "secret" in value && typeof value.secret === "string" ? [value.secret] : [];
  return [...own, ...Object.values(value).flatMap(secretNames)];
}
