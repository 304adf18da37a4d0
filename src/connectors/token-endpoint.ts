import {
  allowInsecureRequests,
  customFetch,
  genericTokenEndpointRequest,
  revocationRequest,
  type CustomFetchOptions,
} from "oauth4webapi";
import * as z from "zod/v4";
import { err, ok, type Result } from "../domain/result.ts";
import type { OAuthClient } from "../domain/upstream.ts";
import { clientAuthentication } from "./client-authentication.ts";
import { unanswered, type ConnectorFault, type IssuedToken } from "./connector.ts";
import type { Outbound, TextResponse } from "./outbound.ts";
import { discoverServer } from "./server-metadata.ts";

const DEADLINE_MS = 10_000;
/** A token answer is a few hundred bytes, with an id_token a few thousand. */
const MAX_ANSWER_BYTES = 65_536;

export interface TokenEndpointContext {
  readonly outbound: Outbound;
  readonly readSecret: (name: string) => Promise<string | undefined>;
  /** Epoch seconds. */
  readonly now: number;
}

/** Longer than any upstream lets a token live. A date beyond could not be written down, in seconds. */
const LONGEST_LIFE_SECONDS = 10 * 365 * 86_400;

/** RFC 6749 §5.1. What cannot stand in a header is no token. */
const tokenAnswer = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]{1,16000}$/),
  // RFC 6749 §7.1: a type that is not understood must not be used; a bound one needs a key that was never shown.
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.coerce
    .number()
    .positive()
    .transform((seconds) => Math.min(seconds, LONGEST_LIFE_SECONDS))
    .optional(),
  scope: z.string().max(4000).optional(),
  refresh_token: z.string().min(1).optional(),
});
const errorAnswer = z.object({ error: z.string().min(1) });
/** What is still worth keeping of an answer that is good for nothing else. */
const successor = z.object({ refresh_token: z.string().min(1).optional() });

/** An access token, and the refresh token that may have come with it. */
export type TokenAnswer = IssuedToken & { readonly refresh_token?: string | undefined };

export type TokenFault =
  | Extract<ConnectorFault, { kind: "misconfigured" | "answer_lost" | "upstream_unavailable" }>
  /** It gave something that is no bearer token; a refresh token that came with it still counts. */
  | { readonly kind: "unusable"; readonly refresh_token: string | undefined }
  /** It answered with an error; `error` is its code, RFC 6749 §5.2. */
  | { readonly kind: "rejected"; readonly status: number; readonly error: string | undefined };

/**
 * Asks an upstream's token endpoint, once. Nothing of the answer but its status and error code comes
 * out of a failure, so that it may be logged.
 */
export async function requestToken(
  client: OAuthClient,
  grantType: string,
  parameters: Readonly<Record<string, string>>,
  context: TokenEndpointContext,
): Promise<Result<TokenAnswer, TokenFault>> {
  const answer = await call(client, context, (server, authentication, options) =>
    genericTokenEndpointRequest(
      server,
      { client_id: client.client_id },
      authentication,
      grantType,
      { ...parameters },
      options,
    ),
  );
  if (!answer.ok) return answer;
  const { status, text } = answer.value;
  const read = parse(text);
  const { error } = errorAnswer.safeParse(read).data ?? {};
  // Some servers say no with 200.
  if (status !== 200 || error !== undefined) return err({ kind: "rejected", status, error });
  const token = tokenAnswer.safeParse(read).data;
  if (token !== undefined) return ok(token);
  const rest = successor.safeParse(read).data;
  return err(rest === undefined ? { kind: "answer_lost" } : { kind: "unusable", refresh_token: rest.refresh_token });
}

/** Takes a token back, RFC 7009 §2; with a refresh token, all that came of it. */
export async function revokeToken(
  client: OAuthClient,
  token: string,
  context: TokenEndpointContext,
  hint: "access_token" | "refresh_token" = "access_token",
): Promise<Result<"revoked", ConnectorFault>> {
  const answer = await call(client, context, (server, authentication, options) =>
    revocationRequest(server, { client_id: client.client_id }, authentication, token, {
      ...options,
      additionalParameters: { token_type_hint: hint },
    }),
  );
  if (!answer.ok) return err(toConnectorFault(answer.error));
  const { status } = answer.value;
  return status === 200 || status === 204
    ? ok("revoked")
    : err(toConnectorFault({ kind: "rejected", status, error: undefined }));
}

/** An error that may pass is worth another try; every other one is an answer. */
export function toConnectorFault(fault: TokenFault): ConnectorFault {
  // It may have minted something that nobody can name.
  if (fault.kind === "unusable") return { kind: "answer_lost" };
  if (fault.kind !== "rejected") return fault;
  const { status } = fault;
  const isPassing = status >= 500 || status === 429 || status === 408;
  return isPassing ? { kind: "upstream_unavailable" } : { kind: "upstream_refused", status };
}

type Send = (
  server: { issuer: string; token_endpoint: string; revocation_endpoint?: string },
  authentication: Parameters<typeof genericTokenEndpointRequest>[2],
  options: {
    [customFetch]: (url: string, options: CustomFetchOptions<"POST", URLSearchParams>) => Promise<Response>;
    [allowInsecureRequests]: true;
  },
) => Promise<Response>;

/** Lets the library build the request, and sends it by the one way out. */
async function call(
  client: OAuthClient,
  { outbound, readSecret, now }: TokenEndpointContext,
  send: Send,
): Promise<Result<TextResponse, TokenFault>> {
  const authentication = await clientAuthentication(client, readSecret);
  if (!authentication.ok) return err(authentication.error as TokenFault);
  const { revocation_endpoint, authorization_server = "" } = client;
  const endpoint =
    client.token_endpoint === undefined
      ? await discoverServer(authorization_server, outbound, now)
      : ok({ token_endpoint: client.token_endpoint });
  if (!endpoint.ok) return err({ kind: "upstream_unavailable" });
  let answer: Result<TextResponse, TokenFault> = err({ kind: "answer_lost" });
  const server = {
    // The `aud` of client assertions, RFC 7523 §3.
    issuer: client.authorization_server ?? endpoint.value.token_endpoint,
    token_endpoint: endpoint.value.token_endpoint,
    ...(revocation_endpoint === undefined ? {} : { revocation_endpoint }),
  };
  await send(server, authentication.value, {
    // Which addresses may be called, and whether in the clear, is for the one way out to say.
    [allowInsecureRequests]: true,
    [customFetch]: async (url, { method, headers, body }) => {
      const got = await outbound.text({
        url,
        method,
        headers,
        body: body.toString(),
        deadlineMs: DEADLINE_MS,
        maxBytes: MAX_ANSWER_BYTES,
      });
      answer = got.ok ? got : err(unanswered(got.error));
      return new Response(null);
    },
  });
  return answer;
}

/** An answer without the members that a server writes as `null` in place of leaving them out. */
function parse(text: string): unknown {
  try {
    const read = JSON.parse(text) as unknown;
    if (typeof read !== "object" || read === null) return undefined;
    return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== null));
  } catch {
    return undefined;
  }
}
