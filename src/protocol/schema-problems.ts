import type { DocumentProblem } from "../domain/compiled-tenant.ts";

/** What the schema found wrong, each at its place (RFC 6901). */
export function schemaProblems(issues: readonly Issue[]): DocumentProblem[] {
  return issues.flatMap(flattenIssue).map(({ path, message }) => ({ path: pointer(path), message: plain(message) }));
}

/** The first of them, in one line. */
export function firstProblem(issues: readonly Issue[]): string {
  const [problem] = schemaProblems(issues);
  return `${problem?.path || "/"}: ${problem?.message ?? "not valid"}`;
}

/** In words for whoever writes JSON, in which nothing is undefined. */
function plain(message: string): string {
  return message.replace(/^Invalid input: expected (\w+), received undefined$/, "is missing: a JSON $1");
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[];
}

/** A union's own issue says only "invalid input"; the issues of its most promising branch say why. */
function flattenIssue(issue: Issue): Issue[] {
  const branches = issue.errors ?? [];
  const [best] = branches.filter((branch) => branch.length > 0).toSorted((a, b) => deepest(b) - deepest(a));
  if (best === undefined) return [issue];
  return best.flatMap((inner) => flattenIssue({ ...inner, path: [...issue.path, ...inner.path] }));
}

function deepest(issues: readonly Issue[]): number {
  return Math.max(...issues.map((issue) => issue.path.length));
}

function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
