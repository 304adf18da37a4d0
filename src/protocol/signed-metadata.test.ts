import { describe, expect, it } from "vitest";
import { metadataAddress } from "./signed-metadata.ts";

describe("where a resource publishes its metadata (RFC 9728 §3.1)", () => {
  it.each([
    ["https://tickets.test/mcp", "https://tickets.test/.well-known/oauth-protected-resource/mcp"],
    ["https://tickets.test", "https://tickets.test/.well-known/oauth-protected-resource"],
    ["https://tickets.test/", "https://tickets.test/.well-known/oauth-protected-resource"],
    ["https://tickets.test:8443/a/b?k1=v1", "https://tickets.test:8443/.well-known/oauth-protected-resource/a/b?k1=v1"],
  ])("%s: %s", (resource, address) => {
    expect(metadataAddress(resource)).toBe(address);
  });
});
