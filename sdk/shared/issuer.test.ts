import { describe, expect, it } from "vitest";
import { Agent } from "../agent/index.ts";
import { Guard } from "../server/index.ts";
import { isIssuer } from "./issuer.ts";

const key = { kty: "EC", crv: "P-256", x: "x", y: "y", d: "d" };

describe("an issuer", () => {
  it.each([
    "https://stint.acme.example",
    "https://stint.acme.example:8443",
    "http://localhost:8787",
    "http://a.localhost",
  ])("is %s", (issuer) => {
    expect(isIssuer(issuer)).toBe(true);
  });

  it.each([
    "http://stint.acme.example",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "https://stint.acme.example/",
    "https://stint.acme.example/tenant",
    "https://stint.acme.example?x",
    "https://user@stint.acme.example",
    "https://stint.acme.example:443",
    "HTTPS://stint.acme.example",
    "ftp://stint.acme.example",
    "stint.acme.example",
    "",
  ])("is not %j, and neither agent nor guard is made for it", (issuer) => {
    expect(isIssuer(issuer)).toBe(false);
    expect(() => new Agent({ issuer, clientId: "bot", key })).toThrow(TypeError);
    const server = { server: "tickets", resource: "https://tickets.test/mcp", key, tools: {} };
    expect(() => new Guard({ issuer, ...server })).toThrow(TypeError);
  });
});
