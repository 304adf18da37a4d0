import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalPath, canonicalQuery } from "./proxy-path.ts";

describe("canonicalPath", () => {
  it.each([
    "/",
    "/repos/acme/api/issues",
    "/repos/acme/api/contents/a%20b.md",
    "/a/~b/c-d_e.f",
    "/search@v2:x",
    "/caf%C3%A9",
  ])("takes %s", (path) => {
    expect(canonicalPath(path)).toEqual({ ok: true, value: path });
  });

  it.each([
    ["dot segments", "/repos/../admin"],
    ["a single dot", "/repos/./x"],
    ["encoded dots", "/repos/%2e%2e/admin"],
    ["upper-case encoded dots", "/repos/%2E%2E/admin"],
    ["an encoded slash", "/repos/acme%2Fapi"],
    ["an encoded backslash", "/repos/%5C..%5C"],
    ["a lower-case triplet", "/caf%c3%a9"],
    ["an encoded NUL", "/a%00"],
    ["double encoding", "/a%252e"],
    ["a path parameter", "/a;/../b"],
    ["an encoded semicolon", "/a%3B"],
    ["an empty segment", "/a//b"],
    ["a trailing slash", "/a/"],
    ["overlong UTF-8", "/%C0%AE%C0%AE/"],
    ["a two-dot leader", "/%E2%80%A5/x"],
    ["a full-width dot", "/%EF%BC%8E%EF%BC%8E/x"],
    ["a full-width slash", "/a%EF%BC%8Fb"],
    ["needless encoding", "/%61dmin"],
    ["a raw space", "/a b"],
    ["a raw backslash", "/a\\b"],
    ["raw non-ASCII", "/café"],
    ["a control character", "/a\tb"],
    ["a line separator", "/a%E2%80%A8"],
    ["a bidi override", "/a%E2%80%AE"],
    ["no leading slash", "repos"],
    ["a broken triplet", "/a%2"],
    ["a question mark", "/a?b"],
    ["a fragment", "/a#b"],
  ])("refuses %s", (_, path) => {
    expect(canonicalPath(path).ok).toBe(false);
  });

  it("what is judged is what a URL parser sends: taken paths come through it unchanged", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom("..", ".", "%2e", "%2F", "%25", ";", "//", "a", "B", "%C3%A9", "\\"),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const path = `/${pieces.join("/")}`;
        if (!canonicalPath(path).ok) return;
        const url = new URL(`https://upstream.test${path}`);
        expect(url.pathname).toBe(path);
        expect(url.host).toBe("upstream.test");
        expect(decodeURIComponent(path).split("/")).not.toContain("..");
      }),
      { numRuns: 5000 },
    );
  });
});

describe("canonicalQuery", () => {
  it.each([
    "",
    "state=open&per_page=100",
    "q=a%20b",
    "labels%5B%5D=x",
    "page_token=x&next_token=y&method=z",
    "sort_key=x&filter[key]=y",
    "filter[method]=a&expand[]=b&expand[]=c",
    "q=a%3Bb%0Ac",
  ])("takes %s", (query) => {
    expect(canonicalQuery(query)).toEqual({ ok: true, value: query });
  });

  it.each([
    ["a token", "access_token=x", "forbidden_parameter"],
    ["a key in capitals", "API_KEY=x", "forbidden_parameter"],
    ["a method override", "_method=DELETE", "forbidden_parameter"],
    ["an encoded name of a token", "access%5Ftoken=x", "forbidden_parameter"],
    ...[
      "accessToken",
      "Access-Token",
      "access.token",
      "access_token[]",
      "access+token",
      "X-Amz-Signature",
      "sig",
      "jwt",
    ].map((name) => [`P21 a credential as ${name}`, `${name}=x`, "forbidden_parameter"]),
    ["P21 a credential in full-width letters", "%EF%BD%94oken=x", "forbidden_parameter"],
    ["P21 a credential without a value", "a=1&token", "forbidden_parameter"],
    ["P09 a method override", "X-HTTP-Method-Override=DELETE", "forbidden_parameter"],
    ["P09 a method override with more underscores", "__Method=DELETE", "forbidden_parameter"],
    ...["_method[]", "_method[0]", "_method.x", "+_method", "%20_METHOD", ".method", "[method"].map((name) => [
      `P09 a method override as ${name}`,
      `${name}=DELETE`,
      "forbidden_parameter",
    ]),
    ...["access_token[0]", "key[x]", "api_key[0][1]", "token.x", "+token[0]", "access_token%5B0%5D"].map((name) => [
      `P21 a credential as ${name}`,
      `${name}=x`,
      "forbidden_parameter",
    ]),
    ["P21 a credential behind a semicolon", "a=1;access_token=x", "not_canonical"],
    ["P21 a name with a control character", "a=1&access_token%0A=x", "not_canonical"],
    ["P21 a name that ends for some readers at NUL", "token%00a=x", "not_canonical"],
    ["a fragment", "a#b", "not_canonical"],
    ["raw non-ASCII", "a=é", "not_canonical"],
    ["invalid UTF-8", "a=%FF", "not_canonical"],
  ])("refuses %s", (_, query, fault) => {
    expect(canonicalQuery(query)).toEqual({ ok: false, error: fault });
  });
});
