import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";
import { sqliteAdapter } from "./sqlite-adapter.ts";

// A process of its own, as the broker is: node oidc-provider.ts PORT [DATABASE]
const [port = "0", database] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const { privateKey } = await generateKeyPair("ES256", { extractable: true });
const provider = new Provider(issuer, {
  ...(database === undefined ? {} : { adapter: sqliteAdapter(database) }),
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "ES256", use: "sig" }] },
  clients: [
    {
      client_id: "bench",
      client_secret: "a-client-secret-of-32-characters!",
      token_endpoint_auth_method: "client_secret_post",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: "ES256",
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "https://api.example",
      getResourceServerInfo: () => ({
        scope: "read",
        audience: "https://api.example",
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});
const handle = provider.callback();
createServer((request, response) => void handle(request, response)).listen(Number(port), "127.0.0.1");
