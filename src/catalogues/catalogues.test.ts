import { describe, expect, it } from "vitest";
import { compileCatalogue } from "../domain/operations.ts";
import { shippedCatalogue } from "./index.ts";

describe("the catalogue for GitHub", () => {
  const catalogue = shippedCatalogue("github")!;
  const compiled = compileCatalogue(catalogue);

  it("compiles, and every operation has words, a location and a permission", () => {
    expect(compiled.ok).toBe(true);
    for (const operation of Object.values(catalogue.operations)) {
      expect(operation.title).not.toBe("");
      expect(operation.location).toBe(":owner/:repo");
      expect(Object.keys(operation.permissions ?? {})).not.toEqual([]);
    }
  });

  it.each([
    ["GET", "/repos/acme/api/issues", ["issues:read"]],
    ["GET", "/repos/acme/api/issues/7/comments", ["issues:read"]],
    // GitHub's list of permissions has these under Issues: metadata alone does not open them.
    ["GET", "/repos/acme/api/labels", ["issues:read"]],
    ["GET", "/repos/acme/api/assignees", ["issues:read"]],
    ["GET", "/repos/acme/api/topics", ["repository:read"]],
    ["POST", "/repos/acme/api/issues", ["issues:write"]],
    ["GET", "/repos/acme/api/contents/src/index.ts", ["contents:read"]],
    ["PUT", "/repos/acme/api/pulls/1/merge", ["pulls:merge"]],
    ["DELETE", "/repos/acme/api", []],
    ["PATCH", "/repos/acme/api", []],
    ["GET", "/user", []],
    ["POST", "/graphql", []],
    ["GET", "/repos/acme/api/hooks", []],
    ["POST", "/repos/acme/api/hooks", []],
    ["GET", "/repos/acme/api/issues/7/comments/x/y", []],
  ])("names %s %s", (method, path, operations) => {
    const calls = compiled.ok ? compiled.value(method, path) : [];
    expect(calls.map(({ operation }) => operation)).toEqual(operations);
    for (const { location } of calls) expect(location).toBe("acme/api");
  });

  it("gives no call both as a read and as a write", () => {
    for (const [name, { routes, access }] of Object.entries(catalogue.operations)) {
      for (const route of routes) {
        const [method = "", path = ""] = route.split(" ");
        const example = path.replaceAll(/:([a-z_]+)\+?/g, "x");
        const accesses = (compiled.ok ? compiled.value(method, example) : []).map((call) => call.access);
        expect(new Set(accesses), `${name}: ${route}`).toEqual(new Set([access]));
      }
    }
  });
});
