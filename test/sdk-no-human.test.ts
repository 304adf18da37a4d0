import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../demo/free-port.ts";
import { until } from "../demo/until.ts";
import { startTicketServer, type TicketServer } from "../demo/ticket-server.ts";
import { assertionAccess, credentialsAccess, type Fetch } from "../sdk/agent/index.ts";
import { auditRows } from "./support/audit-rows.ts";
import { nowSeconds, signRaw } from "./support/forge.ts";
import { newClientKey, startOAuthWorld, type ClientKey, type OAuthWorld } from "./support/oauth-world.ts";

const IDP = "https://idp.example";
let world: OAuthWorld;
let idpKey: ClientKey;
let tickets: TicketServer;
let resource = "";
/** What was posted to Stint's token endpoint. */
let posted = 0;
const counting: Fetch = (url, init) => {
  if (String(url) === `${world.issuer}/oauth/token`) posted += 1;
  return fetch(url, init);
};

beforeAll(async () => {
  idpKey = await newClientKey("idp");
  const serverPort = await freePort();
  world = await startOAuthWorld({
    serverPort,
    adjust: (document) => ({
      ...document,
      identity_providers: [{ issuer: IDP, jwks: { keys: [idpKey.publicJwk] } }],
      people: [
        ...(document["people"] as object[]),
        { id: "kim@acme.example", name: "Kim", identities: [{ issuer: IDP, subject: "u-123" }] },
      ],
    }),
  });
  tickets = await startTicketServer(serverPort, world.issuer, world.keys.server.privateJwk, ["acme/api"]);
  resource = tickets.url;
});
afterAll(async () => {
  await tickets?.close();
  await world?.close();
});

const client = () =>
  ({
    issuer: world.issuer,
    clientId: "web-1",
    authentication: { method: "private_key_jwt", key: world.webKey.privateJwk },
  }) as const;
const requests = async () => (await auditRows(world)).filter(({ type }) => type === "session.requested").length;

describe("what needs no human elsewhere gets no token of Stint's", () => {
  it("by a program's own credentials: none are sent", async () => {
    const call = credentialsAccess({ resource, client: client(), fetch: counting });
    await expect(call(resource)).rejects.toMatchObject({ code: "invalid_metadata" });
    expect([posted, await requests()]).toEqual([0, 0]);
  });

  it("by an assertion: a human is asked, once, however often the server is called", async () => {
    const header = { alg: "ES256", typ: "oauth-id-jag+jwt", kid: "idp" };
    const call = assertionAccess({
      resource,
      client: client(),
      scope: "mcp:tickets:list_issues",
      fetch: counting,
      assertion: ({ issuer }) => {
        const [iat, exp] = [nowSeconds(), nowSeconds() + 60];
        const claims = { iss: IDP, sub: "u-123", aud: issuer, client_id: "web-1", jti: randomUUID(), iat, exp };
        return signRaw(header, claims, idpKey.privateJwk);
      },
    });
    const pending = { code: "authorization_pending", status: 400 };
    await expect(call(resource)).rejects.toMatchObject(pending);
    expect(await until("the request", async () => (await requests()) || undefined)).toBe(1);
    const before = posted;
    for (let attempt = 0; attempt < 3; attempt += 1) await expect(call(resource)).rejects.toMatchObject(pending);
    expect(posted).toBe(before);
  });
});
