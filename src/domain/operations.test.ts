import { describe, expect, it } from "vitest";
import { compileCatalogue, restrictCatalogue } from "./operations.ts";
import { namesOf } from "./query-names.ts";

const CATALOGUE = {
  operations: {
    "issues:read": {
      access: "read",
      title: "Read issues",
      routes: ["GET /repos/:owner/:repo/issues/:number?"],
      location: ":owner/:repo",
    },
    "search:read": { access: "read", title: "Search", routes: ["GET /search/:kind"] },
  },
  repeatable: ["labels"],
} as const;

const locationsOf = (path: string, query: string): (string | undefined)[] => {
  const compiled = compileCatalogue(CATALOGUE);
  if (!compiled.ok) throw new Error(compiled.error.message);
  return compiled.value("GET", path, namesOf(query)).map(({ location }) => location);
};

describe("P21 a location that is read off the path", () => {
  it.each(["", "state=open", "number=7", "labels[owner]=x", "repository=other"])("is certain beside ?%s", (query) => {
    expect(locationsOf("/repos/acme/api/issues", query)).toEqual(["acme/api"]);
  });

  it.each([
    "owner=evil",
    "repo=secrets",
    "state=open&Repo=secrets",
    "owner[]=evil&owner[]=acme",
    "repo[0]=secrets",
    "repo.name=secrets",
    "%72epo=secrets",
    "+owner=evil",
  ])("is not, and the call of no operation, beside ?%s", (query) => {
    expect(locationsOf("/repos/acme/api/issues", query)).toEqual([]);
  });

  it("says nothing against the same name where no location depends on it", () => {
    expect(locationsOf("/search/code", "kind=x&owner=acme")).toEqual([undefined]);
  });
});

it("a part of a catalogue keeps what may be repeated", () => {
  expect(restrictCatalogue(CATALOGUE, ["search:read"])).toEqual({
    operations: { "search:read": CATALOGUE.operations["search:read"] },
    repeatable: ["labels"],
  });
});
