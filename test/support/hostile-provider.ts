import { createServer } from "node:http";
import { generateKeyPair, exportJWK, SignJWT, type JWK } from "jose";

/** What an identity provider would say at the end of a sign-in, and what may be made wrong in it. */
export interface Lies {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: { readonly alg?: string; readonly kid?: string };
  /** In place of the ID token. */
  readonly token?: (right: string, publicJwk: JWK) => string | Promise<string>;
  /** In place of the answer of the token endpoint. */
  readonly answer?: { readonly status: number; readonly body: string };
  /** Changes to the discovery document. */
  readonly discovery?: Readonly<Record<string, unknown>>;
  readonly discoveryAnswer?: { readonly status: number; readonly type: string; readonly body: string };
  readonly jwks?: object;
}

/**
 * An identity provider that lies on demand, for what no certified one would do. It answers as the
 * specification says, except where it is told otherwise.
 */
export interface HostileProvider {
  readonly issuer: string;
  lies: Lies;
  /** What the next token is to echo. */
  nonce: string;
  /** Bodies that its token endpoint was sent. */
  readonly asked: string[];
  close(): Promise<void>;
}

export async function startHostileProvider(issuer: string, clientId: string): Promise<HostileProvider> {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: "idp", alg: "RS256", use: "sig" };
  const host: HostileProvider = {
    issuer,
    lies: {},
    nonce: "",
    asked: [],
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  const idToken = async (prefix: string): Promise<string> => {
    const now = Math.floor(Date.now() / 1000);
    const right = {
      iss: issuer + prefix,
      aud: clientId,
      sub: "u-dana",
      iat: now,
      exp: now + 300,
      auth_time: now,
      nonce: host.nonce,
      acr: "urn:example:mfa",
      groups: ["approvers"],
    };
    const { claims, header, token } = host.lies;
    const signed = await new SignJWT({ ...right, ...claims })
      .setProtectedHeader({ alg: "RS256", kid: "idp", ...header })
      .sign(privateKey);
    return token === undefined ? signed : token(signed, publicJwk);
  };
  const server = createServer((request, response) => {
    const send = (body: string, status = 200, type = "application/json"): void =>
      void response.writeHead(status, { "content-type": type }).end(body);
    const { lies } = host;
    // It is as many providers as there are paths before the last: what one of them published is not another's.
    const { pathname: whole } = new URL(request.url ?? "", issuer);
    const [, prefix = "", pathname = ""] = /^(.*?)(\/(?:\.well-known\/)?[^/]+)$/.exec(whole) ?? [];
    if (pathname === "/.well-known/openid-configuration") {
      const { discoveryAnswer: answer } = lies;
      if (answer !== undefined) return send(answer.body, answer.status, answer.type);
      return send(
        JSON.stringify({
          issuer: issuer + prefix,
          authorization_endpoint: `${issuer}${prefix}/authorize`,
          token_endpoint: `${issuer}${prefix}/token`,
          jwks_uri: `${issuer}${prefix}/jwks`,
          response_types_supported: ["code"],
          authorization_response_iss_parameter_supported: true,
          id_token_signing_alg_values_supported: ["RS256"],
          ...lies.discovery,
        }),
      );
    }
    if (pathname === "/jwks") return send(JSON.stringify(lies.jwks ?? { keys: [publicJwk] }));
    if (pathname !== "/token") return send("{}", 404);
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      host.asked.push(body);
      if (lies.answer !== undefined) return send(lies.answer.body, lies.answer.status);
      void idToken(prefix).then((id_token) =>
        send(JSON.stringify({ access_token: "x", token_type: "Bearer", expires_in: 60, id_token })),
      );
    });
  });
  await new Promise<void>((done) => void server.listen(Number(new URL(issuer).port), "127.0.0.1", done));
  return host;
}
