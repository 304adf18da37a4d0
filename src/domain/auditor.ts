import { personCutOffUntil, type CutOffs } from "./cut-off.ts";
import type { Person } from "./tenant.ts";

/** How long an auditor may read before they are let in anew, in seconds: a working day unless told, a month at most. */
export const AUDITOR_SECONDS = 8 * 3600;
export const MAX_AUDITOR_SECONDS = 30 * 24 * 3600;

/** What an operator let somebody read, and until when. */
export interface Admission {
  readonly person: string;
  /** Epoch seconds. */
  readonly issued_at: number;
  readonly expires_at: number;
}

/** Whether an admission is worth something now: by today's document, and cut off as a sign-in is. */
export function admits(
  { person, issued_at, expires_at }: Admission,
  people: ReadonlyMap<string, Person>,
  cutOffs: CutOffs,
  now: number,
): boolean {
  if (now >= expires_at || issued_at <= personCutOffUntil(cutOffs, person)) return false;
  return people.get(person)?.roles.includes("auditor") === true;
}

/**
 * Whether an auditor may make this request: what was granted and done, by whom and under which rules.
 * Whatever changes something, hands something out or comes later is the operator's.
 *
 * @param path of the admin API, such as `/admin/audit`
 */
export function isForAuditors(method: string, path: string): boolean {
  return method === "GET" && READABLE.test(path);
}

const READABLE = /^\/admin\/(?:audit|sessions(?:\/[^/]+(?:\/receipt)?)?|tenant|keys|break-glass)$/;
