import { describe, expect, it } from "vitest";
import { authenticate, isUsable, type SharedSecret } from "./registered-client.ts";

const ISSUER = "https://as.test";
const withSecret = (clientId: string, secret: string, method: SharedSecret["method"] = "client_secret_basic") =>
  authenticate({ issuer: ISSUER, clientId, authentication: { method, secret } });

/** What a server reads out of the header, RFC 6749 §2.3.1. */
function readBasic(header: string | undefined): string[] {
  const [name = "", secret = ""] = atob((header ?? "").replace(/^Basic /, "")).split(":");
  return [name, secret].map((part) => decodeURIComponent(part.replaceAll("+", "%20")));
}

describe("a client's authentication at a token endpoint", () => {
  it.each([
    ["bot", "secret"],
    ["a:b", "c:d"],
    ["with space", "100% + more & so on"],
    ["Zoë", "пароль \u{1F511}"],
    ["https://app.test/client.json", "a=b&client_id=other"],
  ])("keeps what it says apart in a header: %s", async (clientId, secret) => {
    const { headers, parameters } = await withSecret(clientId, secret);
    expect(headers["authorization"]).toMatch(/^Basic [A-Za-z0-9+/]+=*$/);
    expect(readBasic(headers["authorization"])).toEqual([clientId, secret]);
    expect(parameters).toEqual({});
  });

  it("leaves as it is what a form leaves as it is, for servers that do not decode", async () => {
    const { headers } = await withSecret("my-client_1.0", "s-e_c.r*et");
    expect(headers["authorization"]).toBe(`Basic ${btoa("my-client_1.0:s-e_c.r*et")}`);
  });

  it("is in one place alone", async () => {
    expect(await withSecret("bot", "secret", "client_secret_post")).toEqual({
      headers: {},
      parameters: { client_id: "bot", client_secret: "secret" },
    });
    expect(await authenticate({ issuer: ISSUER, clientId: "bot", authentication: { method: "none" } })).toEqual({
      headers: {},
      parameters: { client_id: "bot" },
    });
  });

  it("ends with its secret", () => {
    const now = Math.floor(Date.now() / 1000);
    const ending = (expiresAt: number) =>
      isUsable({
        issuer: ISSUER,
        clientId: "bot",
        authentication: { method: "client_secret_post", secret: "s", expiresAt },
      });
    expect([ending(now + 100), ending(now), ending(now - 100)]).toEqual([true, false, false]);
  });
});
