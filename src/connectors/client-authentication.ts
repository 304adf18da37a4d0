import { ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt, type ClientAuth } from "oauth4webapi";
import { importPem, type PemKey } from "../crypto/pem-jwt.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { OAuthClient } from "../domain/upstream.ts";
import type { ConnectorFault } from "./connector.ts";

type ReadSecret = (name: string) => Promise<string | undefined>;

/** How Stint proves who it is at a token endpoint, ready to be used. */
export async function clientAuthentication(
  client: OAuthClient,
  readSecret: ReadSecret,
): Promise<Result<ClientAuth, ConnectorFault>> {
  switch (client.token_endpoint_auth_method) {
    case "none":
      return ok(None());
    case "client_secret_basic":
    case "client_secret_post": {
      const name = client.client_secret?.secret ?? "client_secret";
      const secret = await readSecret(name);
      if (secret === undefined) return err({ kind: "misconfigured", missing: name });
      return ok(
        client.token_endpoint_auth_method === "client_secret_post"
          ? ClientSecretPost(secret)
          : ClientSecretBasic(secret),
      );
    }
    case "private_key_jwt": {
      const signing = await privateKeyOf(client, readSecret);
      if (!signing.ok) return signing;
      const { key } = signing.value;
      return ok(PrivateKeyJwt(client.private_key_id === undefined ? key : { key, kid: client.private_key_id }));
    }
  }
}

/** The private key that a client is configured with. */
export async function privateKeyOf(
  { private_key }: OAuthClient,
  readSecret: ReadSecret,
): Promise<Result<PemKey, ConnectorFault>> {
  const name = private_key?.secret ?? "private_key";
  const pem = await readSecret(name);
  const key = pem === undefined ? undefined : await importPem(pem);
  return key === undefined ? err({ kind: "misconfigured", missing: name }) : ok(key);
}
