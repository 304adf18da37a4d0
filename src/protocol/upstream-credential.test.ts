import { describe, expect, it } from "vitest";
import { dropEchoes, injectCredential } from "./upstream-credential.ts";

const KEY = { kind: "query", parameter: "key", value: "s3cret/+" } as const;

describe("a credential in a call", () => {
  it.each([
    ["/x", "/x?key=s3cret%2F%2B"],
    ["/x?a=1", "/x?a=1&key=s3cret%2F%2B"],
    ["/x?key=mine&a=1", "/x?a=1&key=s3cret%2F%2B"],
    ["/x?KEY=mine", "/x?key=s3cret%2F%2B"],
    ["/x?%6bey=mine", "/x?key=s3cret%2F%2B"],
    ["/x?key[]=mine&key.a=mine&+key=mine", "/x?key=s3cret%2F%2B"],
    ["/x?a=1;key=mine", "/x?key=s3cret%2F%2B"],
    ["/x?key[]=1&key[]=2&key[0]=3&Key%5B%5D=4&%20key[a]=5&k_ey=6", "/x?key=s3cret%2F%2B"],
    ["/x?%EF%BD%8Bey=mine&a[key]=1", "/x?a[key]=1&key=s3cret%2F%2B"],
    ["/x?expand[]=a&expand[]=b", "/x?expand[]=a&expand[]=b&key=s3cret%2F%2B"],
    ["/x?monkey=1", "/x?monkey=1&key=s3cret%2F%2B"],
  ])("P21 stands alone in the query of %s", async (path, expected) => {
    const call = await injectCredential(`https://api.test${path}`, new Request("https://a.test"), KEY, 0);
    expect(call).toEqual({ ok: true, value: { url: `https://api.test${expected}`, body: null, headers: {} } });
  });

  it("O05 is taken out of an answer's headers, written as it is or encoded", () => {
    const headers = new Headers({
      link: '<https://api.test/x?page=2&key=s3cret%2F%2B>; rel="next"',
      etag: "s3cret/+",
      date: "today",
    });
    expect([...dropEchoes(headers, KEY)]).toEqual([["date", "today"]]);
  });

  it("O05 is found without the scheme that stands before it", () => {
    const credential = { kind: "header", header: "authorization", value: "Bearer t0ken" } as const;
    expect([...dropEchoes(new Headers({ link: "<https://api.test/?access_token=t0ken>" }), credential)]).toEqual([]);
  });
});
