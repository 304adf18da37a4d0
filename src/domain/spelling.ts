/** A name as a reader takes it that makes little of case, punctuation and width. */
export function spelling(name: string): string {
  return name
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "");
}
