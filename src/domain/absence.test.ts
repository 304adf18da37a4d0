import { describe, expect, it } from "vitest";
import { absenceFault, MAX_ABSENCE_SECONDS, standInFor, type Absence } from "./absence.ts";
import type { Person, Role } from "./tenant.ts";

const NOW = 1_800_000_000;
const person = (id: string, roles: Role[] = ["approver"]): [string, Person] => [
  id,
  { id, name: id, roles, groups: [], identities: [] },
];
const people = new Map([person("dana"), person("kim"), person("lee"), person("guest", [])]);
const away = (delegate: string, from = NOW, until = NOW + 60): Absence => ({ from, until, delegate });
const standIn = (absences: Record<string, Absence[]>, now = NOW, parties: string[] = []) =>
  standInFor({ people, absences: new Map(Object.entries(absences)) }, "dana", parties, now);

describe("who stands in", () => {
  it("is the delegate from the first second to the last", () => {
    const absences = { dana: [away("kim")] };
    expect([NOW - 1, NOW, NOW + 59, NOW + 60].map((now) => standIn(absences, now))).toEqual([
      undefined,
      "kim",
      "kim",
      undefined,
    ]);
  });

  it.each<[string, Record<string, Absence[]>, string[]]>([
    ["nobody is away", {}, []],
    ["the delegate is away too", { dana: [away("kim")], kim: [away("lee")] }, []],
    ["two point at each other", { dana: [away("kim")], kim: [away("dana")] }, []],
    ["the delegate owns the agent, or it works for them", { dana: [away("kim")] }, ["kim"]],
    ["the delegate is no approver any more", { dana: [away("guest")] }, []],
    ["the delegate is gone", { dana: [away("nobody")] }, []],
  ])("is nobody where %s", (_, absences, parties) => {
    expect(standIn(absences, NOW, parties)).toBeUndefined();
  });

  it("is whom the first absence in force names", () => {
    expect(standIn({ dana: [away("kim", NOW + 5), away("lee")] })).toBe("lee");
    expect(standIn({ dana: [away("kim"), away("lee")] })).toBe("kim");
  });
});

describe("an absence", () => {
  it.each<[string, Absence]>([
    ["one of people", away("nobody")],
    ["for themselves", away("dana")],
    ["no approver", away("guest")],
    ["after it begins", away("kim", NOW, NOW)],
    ["after it begins", away("kim", NaN)],
    ["30 days", away("kim", NOW, NOW + MAX_ABSENCE_SECONDS + 1)],
  ])("is refused: %s", (words, absence) => {
    expect(absenceFault(people, "dana", absence)).toContain(words);
  });

  it("may last thirty days", () => {
    expect(absenceFault(people, "dana", away("kim", NOW, NOW + MAX_ABSENCE_SECONDS))).toBeUndefined();
  });
});
