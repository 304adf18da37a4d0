import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRedirectUri, isRegisteredRedirect } from "./redirect-uri.ts";
import { metadataDocumentHost, namesAgent } from "./registration.ts";

describe("a client_id that is an address", () => {
  it("is fetched exactly as it is written, or is none", () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl({ validSchemes: ["https"], withQueryParameters: true }), fc.string()), (text) => {
        const host = metadataDocumentHost(text);
        if (host !== undefined) expect([new URL(text).href, new URL(text).host]).toEqual([text, host]);
      }),
    );
  });

  it("belongs to its own host and to no other policy", () => {
    const id = "https://vscode.dev/oauth/client.json";
    expect(namesAgent(["host:vscode.dev"], id)).toBe(true);
    expect(namesAgent([id], id)).toBe(true);
    expect(namesAgent(["host:dev", "host:vscode.dev.evil.example", "vscode.dev"], id)).toBe(false);
    expect(namesAgent(["host:vscode.dev"], "https://vscode.dev.evil.example/x.json")).toBe(false);
    expect(namesAgent(["host:vscode.dev"], "vscode.dev")).toBe(false);
    expect(namesAgent(["host:vscode.dev"], "host:vscode.dev")).toBe(false);
  });
});

describe("a redirect", () => {
  it.each([
    "https://app.example/cb",
    "https://app.example/cb?x=1",
    "http://127.0.0.1/cb",
    "http://[::1]:1/cb",
    "http://localhost",
  ])("may be registered as %s", (uri) => {
    expect(isRedirectUri(uri)).toBe(true);
  });

  it.each([
    "http://app.example/cb",
    "https://u@app.example/cb",
    "https://app.example/cb#x",
    "https://app.example/cb#",
    "javascript:alert(1)",
    "app:/cb",
    "https://app.example/a/../cb",
    "HTTPS://app.example/cb",
    "http://127.1/cb",
    "http://localhost.evil.example/cb",
    "",
  ])("may not be registered as %j", (uri) => {
    expect(isRedirectUri(uri)).toBe(false);
  });

  it("matches exactly, but for the port of a loopback address", () => {
    expect(isRegisteredRedirect("http://127.0.0.1:4711/cb", ["http://127.0.0.1/cb"])).toBe(true);
    expect(isRegisteredRedirect("http://127.0.0.1/cb", ["http://127.0.0.1:8080/cb"])).toBe(true);
    expect(isRegisteredRedirect("http://localhost:1/cb", ["http://127.0.0.1/cb"])).toBe(false);
    expect(isRegisteredRedirect("http://127.0.0.1:1/cb?x", ["http://127.0.0.1/cb"])).toBe(false);
    expect(isRegisteredRedirect("https://app.example:1/cb", ["https://app.example/cb"])).toBe(false);
  });
});
