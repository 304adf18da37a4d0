import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { codeAccess, credentialsAccess, type RegisteredClient } from "../sdk/agent/index.ts";
import { startForeignProvider, type ForeignOptions, type ForeignProvider } from "./support/foreign-provider.ts";
import { newClientKey } from "./support/oauth-world.ts";

const CALLBACK = "http://127.0.0.1:7777/callback";
let foreign: ForeignProvider | undefined;
afterEach(async () => {
  await foreign?.close();
  foreign = undefined;
});

describe("an agent at somebody else's authorization server (oidc-provider)", () => {
  it.each(["none", "client_secret_basic", "client_secret_post"] as const)(
    "registers itself, has a human decide, and comes back as who it was: %s",
    async (method) => {
      foreign = await startForeignProvider({ authMethods: [method] });
      const { resource, issuer, authorize } = foreign;
      const kept: RegisteredClient[] = [];
      const access = (registered: readonly RegisteredClient[]) =>
        codeAccess({
          resource,
          client: { registered, register: { name: "Triage", keep: (client) => void kept.push(client) } },
          redirectUri: CALLBACK,
          authorize: (url) => authorize(url, CALLBACK),
        });
      expect(await (await access([])(resource)).json()).toEqual({ things: [1, 2, 3] });
      expect(foreign.registered).toMatchObject([
        {
          client_name: "Triage",
          token_endpoint_auth_method: method,
          application_type: "native",
          dpop_bound_access_tokens: true,
          grant_types: ["authorization_code"],
        },
      ]);
      const clientId = foreign.registered[0]!.client_id;
      expect(kept).toMatchObject([{ issuer, clientId, authentication: { method } }]);
      expect((await access(kept)(resource)).status).toBe(200);
      expect(foreign.registered).toHaveLength(1);
      const guest = { clientId, scope: "things:read" };
      expect(foreign.guests).toEqual([guest, guest]);
    },
  );

  it("uses its own credentials: a secret with anything in it, or a key", async () => {
    const key = await newClientKey("nightly");
    const secret = `p@ss: +&=%/ ${randomUUID()}`;
    const own = { grant_types: ["client_credentials"], response_types: [], redirect_uris: [], scope: "things:read" };
    const clients: NonNullable<ForeignOptions["clients"]> = [
      { ...own, client_id: "by basic", client_secret: secret, token_endpoint_auth_method: "client_secret_basic" },
      { ...own, client_id: "by-post", client_secret: secret, token_endpoint_auth_method: "client_secret_post" },
      {
        ...own,
        client_id: "by-key",
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_signing_alg: "ES256",
        jwks: { keys: [key.publicJwk as never] },
      },
    ];
    const authMethods: ForeignOptions["authMethods"] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    foreign = await startForeignProvider({ authMethods, clients });
    const { resource, issuer } = foreign;
    const authentications = {
      "by basic": { method: "client_secret_basic", secret },
      "by-post": { method: "client_secret_post", secret },
      "by-key": { method: "private_key_jwt", key: key.privateJwk },
    } as const;
    for (const [clientId, authentication] of Object.entries(authentications)) {
      const call = credentialsAccess({
        resource,
        scope: "things:read",
        client: { issuer, clientId, authentication },
      });
      expect((await call(resource)).status, clientId).toBe(200);
    }
    expect(foreign.guests.map(({ clientId }) => clientId)).toEqual(["by basic", "by-post", "by-key"]);
    const wrong = { method: "client_secret_basic", secret: `${secret}x` } as const;
    const refused = credentialsAccess({ resource, client: { issuer, clientId: "by basic", authentication: wrong } });
    await expect(refused(resource)).rejects.toMatchObject({ code: "invalid_client" });
  });
});
