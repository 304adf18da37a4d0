import { timeText } from "./moment.ts";
import type { Person } from "./tenant.ts";

/** The longest absence for which somebody can stand in, in seconds. */
export const MAX_ABSENCE_SECONDS = 30 * 24 * 3600;

/** A time in which somebody else may decide in a person's place, epoch seconds. */
export interface Absence {
  readonly from: number;
  readonly until: number;
  /** Who stands in; one of `people`. */
  readonly delegate: string;
}

/** Everybody's absences; where two are in force, the first counts. */
export type Absences = ReadonlyMap<string, readonly Absence[]>;

/** What is wrong with an absence; undefined where nothing is. */
export function absenceFault(
  people: ReadonlyMap<string, Person>,
  personId: string,
  { from, until, delegate }: Absence,
): string | undefined {
  const person = people.get(delegate);
  if (person === undefined) return `"${delegate}" is not one of people`;
  if (delegate === personId) return "nobody stands in for themselves";
  if (!person.roles.includes("approver")) return `"${delegate}" is no approver`;
  if (!(from < until)) return "an absence ends after it begins";
  return until - from > MAX_ABSENCE_SECONDS ? "nobody can be away for more than 30 days" : undefined;
}

/** The absence of a person at a time, if they are away then. */
export function absenceAt(absences: Absences, personId: string, now: number): Absence | undefined {
  return absences.get(personId)?.find(({ from, until }) => from <= now && now < until);
}

/**
 * Who may decide in a person's place now. One who is away as well is replaced by nobody: a chain of
 * delegates would end with somebody whom no one chose.
 *
 * @param parties who speaks for the request, and so stands in for nobody
 */
export function standInFor(
  { people, absences }: { readonly people: ReadonlyMap<string, Person>; readonly absences: Absences },
  personId: string,
  parties: readonly (string | undefined)[],
  now: number,
): string | undefined {
  const delegate = absenceAt(absences, personId, now)?.delegate;
  if (delegate === undefined || parties.includes(delegate) || absenceAt(absences, delegate, now) !== undefined)
    return undefined;
  return people.get(delegate)?.roles.includes("approver") === true ? delegate : undefined;
}

/** Who could stand in for a person: every other approver. Whether they may is judged for each request. */
export function possibleStandIns(people: ReadonlyMap<string, Person>, personId: string): Person[] {
  return [...people.values()].filter(({ id, roles }) => id !== personId && roles.includes("approver"));
}

/** What the person who is away, and who stands in, are told. */
export function awayWords(
  people: ReadonlyMap<string, Person>,
  personId: string,
  { from, until, delegate }: Absence,
): { headline: string; paragraphs: string[] } {
  const [absent, standIn] = [personId, delegate].map((id) => `${people.get(id)?.name ?? id} (${id})`);
  return {
    headline: `${people.get(personId)?.name ?? personId} is away`,
    paragraphs: [
      `${standIn} may decide requests in the place of ${absent}, from ${timeText(from)} until ${timeText(until)}.`,
      "If that is not so, end it in the inbox of who is away, or tell an admin now: stint away --back.",
    ],
  };
}
