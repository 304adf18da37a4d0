import { describe, expect, it } from "vitest";
import { isUnambiguous, namesOf, standsFor } from "./query-names.ts";

const isClear = (query: string, repeatable?: string[]): boolean => isUnambiguous(namesOf(query), repeatable);

describe("P21 what every reader takes alike", () => {
  it.each([
    "",
    "a=1",
    "a=1&b=2&ab=3",
    "expand[]=a&expand[]=b",
    "expand[]=a&expand%5B%5D=b&limit=3",
    "expand[0]=a&expand[1]=b",
    "created[gte]=1&created[lte]=2",
    "filter[tags][]=a&filter[tags][]=b&filter[name]=c",
    "items[0].price=1&items[1].price=2",
    "page_token=x&pageToken=y",
  ])("is taken: %s", (query) => {
    expect(isClear(query)).toBe(true);
  });

  it.each([
    ["a plain name twice", "a=1&a=2"],
    ["encoded the second time", "a=1&%61=2"],
    ["three names, of which the outer are one", "a=1&b=2&a=3"],
    ["without a value", "a&a=2"],
    ["in other letters", "a=1&A=2"],
    ["in full-width letters", "a=1&%EF%BD%81=2"],
    ["behind a space, which some drop", "a=1&+a=2"],
    ["a value and a list", "a=1&a[]=2"],
    ["a list and a value", "a[]=1&a=2"],
    ["a list without and with an index", "a[]=1&a[0]=2"],
    ["an index twice", "a[0]=1&a[0]=2"],
    ["an index in a list of other letters", "a[0]=1&A[1]=2"],
    ["a list of two spellings", "expand[]=1&Expand[]=2"],
    ["a value where members were", "a[b][c]=1&a[b]=2"],
    ["what follows a list, which some leave away", "a[]=1&a[]x=2"],
    ["a bracket that does not close", "a[=1"],
    ["a bracket within a bracket", "a[[]]=1"],
    ["no name twice", "=1&=2"],
    ["members of a list twice, which some part and some join", "a[][b]=1&a[][b]=2"],
  ])("is not taken: %s", (_, query) => {
    expect(isClear(query)).toBe(false);
  });

  it("takes a plain name several times where the upstream reads it as a list, in that spelling alone", () => {
    expect(isClear("labelIds=a&labelIds=b&q=x", ["labelIds"])).toBe(true);
    expect(isClear("labelIds=a&q=x&q=y", ["labelIds"])).toBe(false);
    expect(isClear("labelIds=a&labelids=b", ["labelIds"])).toBe(false);
    expect(isClear("labelIds=a&labelIds[]=b", ["labelIds"])).toBe(false);
  });
});

describe("a name that stands for another", () => {
  it.each(["owner", "OWNER", "owner[]", "owner[0]", "owner.x", " owner", "o_wner", "owner[a][b]"])("is %j", (name) => {
    expect(standsFor(name, "owner")).toBe(true);
  });

  it.each(["owners", "co-owner", "filter[owner]", "own[er]x", ""])("is not %j", (name) => {
    expect(standsFor(name, "owner")).toBe(false);
  });
});
