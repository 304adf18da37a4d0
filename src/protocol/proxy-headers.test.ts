import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalPath, canonicalQuery } from "../domain/proxy-path.ts";
import { headersFromUpstream, headersToUpstream, proxiedLinks, proxiedLocation } from "./proxy-headers.ts";

const BASES = ["https://api.acme.com", "https://api.acme.com/v1", "http://localhost:4001"];

/** Strings that come near to what passes, and strings that do not. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: fc.constantFrom(..."/.%2eEfF;'\"?&=#@:[]\\aé|^`{}<> \t"), maxLength: 12 }),
  fc.webPath(),
  fc.webQueryParameters(),
);

describe("P13 what is judged is what is sent", () => {
  it("is one and the same string for any path and query that pass", () => {
    let passed = 0;
    fc.assert(
      fc.property(fc.constantFrom(...BASES), text, text, (base, path, query) => {
        if (!canonicalPath(path).ok || !canonicalQuery(query).ok) return;
        passed += 1;
        const sent = base + path + (query === "" ? "" : `?${query}`);
        expect(new URL(sent).href).toBe(sent);
      }),
      { numRuns: 20_000 },
    );
    expect(passed).toBeGreaterThan(500);
  });
});

describe("headers that pass (P10, P11, O02, O13)", () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,20}$/);
  const key = "the-key-of-the-upstream";
  const credential = { "X-Api-Key": key };

  it("are those of the lists, whatever else there is, and the credential is ours alone", () => {
    fc.assert(
      fc.property(fc.dictionary(name, fc.constant("theirs")), (given) => {
        const sent = headersToUpstream(
          new Headers({ ...given, "X-API-KEY": "theirs", authorization: "theirs" }),
          credential,
        );
        expect(sent.get("x-api-key")).toBe(key);
        for (const [key, value] of sent) {
          if (value === "theirs") expect(TO_UPSTREAM).toContain(key);
        }
        for (const [key, value] of headersFromUpstream(new Headers(given))) {
          if (value === "theirs") expect(FROM_UPSTREAM).toContain(key);
        }
      }),
    );
  });

  it.each(["cookie", "x-forwarded-for", "x_api_key", "range", "if-range", "connection", "transfer-encoding", "expect"])(
    "are not %s",
    (header) => {
      expect(headersToUpstream(new Headers({ [header]: "theirs" }), credential).has(header)).toBe(false);
    },
  );

  it.each([
    "set-cookie",
    "www-authenticate",
    "proxy-authenticate",
    "access-control-allow-origin",
    "content-encoding",
    "location",
    "refresh",
    "sourcemap",
  ])("back are not %s", (header) => {
    expect(headersFromUpstream(new Headers({ [header]: "theirs" })).has(header)).toBe(false);
  });
});

describe("proxiedLocation (O04, O05)", () => {
  const place = { baseUrl: "https://api.acme.com/v1", proxyUrl: "https://stint.acme.com/proxy/api" };
  const from = "https://api.acme.com/v1/things";

  it.each([
    ["/v1/things/7", "/things/7"],
    ["things?page=2", "/things?page=2"],
    ["https://api.acme.com/v1/a%20b", "/a%20b"],
    ["https://API.acme.com:443/v1/x", "/x"],
  ])("maps %s to the proxy's %s", (location, path) => {
    expect(proxiedLocation(location, from, place)).toBe(place.proxyUrl + path);
  });

  it.each([
    "/v2/things",
    "/v1x/things",
    "/v1/../v2/things",
    "/v1/%2e%2e/v2",
    "/v1//things",
    "/v1/things?token=abc",
    "/v1/things#fragment",
    "//evil.test/v1/things",
    "http://api.acme.com/v1/things",
    "https://api.acme.com.evil.test/v1/things",
    "https://api.acme.com@evil.test/v1/things",
    "https://u:p@api.acme.com/v1/things",
    "https://api.acme.com:8443/v1/things",
    "https://api.acme.com./v1/things",
    "\\\\evil.test\\v1",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://[",
  ])("gives nothing for %s", (location) => {
    expect(proxiedLocation(location, from, place)).toBeUndefined();
  });
});

const TO_UPSTREAM = [
  "accept",
  "accept-language",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-unmodified-since",
  "notion-version",
  "prefer",
  "stripe-version",
  "x-github-api-version",
];
const FROM_UPSTREAM = [
  "content-language",
  "content-type",
  "date",
  "etag",
  "last-modified",
  "link",
  "retry-after",
  "x-github-media-type",
  "x-github-request-id",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "x-ratelimit-resource",
  "x-ratelimit-used",
  "x-request-id",
];

describe("proxiedLinks", () => {
  const place = { baseUrl: "https://api.acme.com/v1", proxyUrl: "https://stint.acme.com/proxy/api" };
  const from = "https://api.acme.com/v1/things";

  it("leads the pages of a list through the proxy, and leaves what lies elsewhere or is not canonical", () => {
    expect(
      proxiedLinks(
        '<https://api.acme.com/v1/things?page=2>; rel="next", </v1/things?page=9>; rel="last", <https://evil.test/v1/x>; rel="help", <https://api.acme.com/v1/a/../../b>; rel="up"',
        from,
        place,
      ),
    ).toBe(
      '<https://stint.acme.com/proxy/api/things?page=2>; rel="next", <https://stint.acme.com/proxy/api/things?page=9>; rel="last", <https://evil.test/v1/x>; rel="help", <https://api.acme.com/v1/a/../../b>; rel="up"',
    );
  });

  it.each(["", "<", "<>", "<<https://api.acme.com/v1/x", "https://api.acme.com/v1/x", "<".repeat(50_000)])(
    "leaves what is no link: %.30s",
    (links) => {
      expect(proxiedLinks(links, from, place)).toBe(links === "<>" ? `<${place.proxyUrl}/things>` : links);
    },
  );
});
