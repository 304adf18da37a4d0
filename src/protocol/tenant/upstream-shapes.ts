import * as z from "zod/v4";
import { UPSTREAM_CLIENT_AUTHENTICATION_METHODS } from "../../domain/upstream.ts";
import { secretReference } from "../secret-reference.ts";

/** What each kind of upstream is configured with, beside what all of them share. */

const headerName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, "must be a header name")
  .refine(
    (name) => !["host", "content-length", "connection", "transfer-encoding", "cookie"].includes(name.toLowerCase()),
    "is a header that cannot carry a key",
  );

/** An address of an authorization server. Whether it may be called is judged again at every call. */
const endpoint = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine((text) => {
    const { username, password, hash } = new URL(text);
    return username === "" && password === "" && hash === "";
  }, "must be an http(s) URL without user or fragment");

const visibleText = z.string().regex(/^[\x21-\x7e]{1,500}$/, "must be visible ASCII");
const scope = z
  .string()
  .regex(/^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/, "must be scopes between single spaces")
  .max(2000);

export const apiKeyShape = {
  connector: z.literal("api_key"),
  api_key: secretReference,
  header: headerName.default("Authorization"),
  scheme: z
    .string()
    .regex(/^[A-Za-z]{0,20}$/)
    .default("Bearer"),
  query: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, "must be a parameter's name")
    .optional()
    .describe("The query parameter that carries the key, in place of a header"),
};

export const slackShape = {
  connector: z.literal("slack"),
  token: secretReference,
  revoke_at_end: z
    .boolean()
    .default(false)
    .describe(
      "Whether a session's end revokes the token for everybody (auth.revoke): for a token made for one session",
    ),
};

export const jwtShape = {
  connector: z.literal("jwt"),
  audience: visibleText.optional().describe("The aud of the tokens; base_url unless told"),
  dpop_bound_access_tokens: z
    .boolean()
    .default(true)
    .describe("Whether they are bound to a key that Stint proves at each call (DPoP)"),
};

const scopeNarrowing = z
  .boolean()
  .default(true)
  .describe(
    "Whether each token is asked for with no more scope than its session needs, and refused when it holds more",
  );

export const oauth2Shape = {
  connector: z.literal("oauth2"),
  token_endpoint: endpoint.optional(),
  authorization_server: endpoint
    .optional()
    .describe("The issuer; where there is no token_endpoint, its metadata (RFC 8414) names it"),
  revocation_endpoint: endpoint
    .optional()
    .describe("RFC 7009; only where it ends the one access token, and not the connection with it"),
  client_id: visibleText,
  token_endpoint_auth_method: z.enum(UPSTREAM_CLIENT_AUTHENTICATION_METHODS).default("client_secret_basic"),
  client_secret: secretReference.optional(),
  private_key: secretReference.optional().describe("PEM, RSA or P-256: signs client assertions and JWT bearer grants"),
  private_key_id: visibleText.optional(),
  scope: scope.optional().describe("Asked for where the catalogue names no scopes"),
  scope_narrowing: scopeNarrowing,
  resource: endpoint.optional().describe("RFC 8707"),
  audience: visibleText.optional(),
};

export const clientCredentialsShape = { grant_type: z.literal("client_credentials") };

export const refreshTokenShape = {
  grant_type: z.literal("refresh_token"),
  refresh_token: secretReference,
  refresh_token_rotation: z
    .boolean()
    .default(true)
    .describe("Whether each use replaces the token, so that a lost answer loses the connection"),
};

/** What the flow itself says, and no configuration. */
const FLOW_PARAMETERS = [
  "response_type",
  "response_mode",
  "client_id",
  "redirect_uri",
  "scope",
  "state",
  "code_challenge",
  "code_challenge_method",
  "resource",
  "request",
  "request_uri",
];

export const linkedAccountShape = {
  grant_type: z.literal("authorization_code").describe("Each person links an account of their own"),
  authorization_endpoint: endpoint.optional(),
  authorization_parameters: z
    .record(z.string().regex(/^[a-z_]{1,40}$/), visibleText)
    .default({})
    .refine((parameters) => FLOW_PARAMETERS.every((name) => !(name in parameters)), "names what Stint itself says")
    .describe("What else the server has to be asked with, such as access_type=offline at Google"),
  refresh_token_rotation: z
    .boolean()
    .default(true)
    .describe("Whether each use replaces the token, so that a lost answer loses the account"),
};

export const jwtBearerShape = {
  grant_type: z.literal("urn:ietf:params:oauth:grant-type:jwt-bearer"),
  subject: visibleText.optional().describe("Whom the token is for; the session's own subject unless told"),
};

export const tokenExchangeShape = {
  grant_type: z.literal("urn:ietf:params:oauth:grant-type:token-exchange"),
  subject: visibleText.optional(),
  subject_token: secretReference
    .optional()
    .describe("A token to exchange; a JWT by Stint about the session unless told"),
  subject_token_type: visibleText.default("urn:ietf:params:oauth:token-type:jwt"),
};

const GOOGLE_TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token";

export const googleOAuthShape = {
  connector: z.literal("google_oauth"),
  client_id: visibleText,
  client_secret: secretReference,
  refresh_token: secretReference,
  token_endpoint: endpoint.default(GOOGLE_TOKEN_ENDPOINT),
  scope_narrowing: scopeNarrowing,
};

export const googleServiceAccountShape = {
  connector: z.literal("google_service_account"),
  service_account_key: secretReference.describe("The JSON key file, as Google hands it out"),
  subject: visibleText.optional().describe("The user to act for, where the domain has delegated that"),
  token_endpoint: endpoint.default(GOOGLE_TOKEN_ENDPOINT),
};

export const awsShape = {
  connector: z.literal("aws"),
  role_arn: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::[0-9]{12}:role\/[A-Za-z0-9+=,.@_/-]{1,512}$/, "must be a role's ARN"),
  region: z.string().regex(/^[a-z]{2}(?:-[a-z]{1,12}){1,3}-[0-9]{1,2}$/, "must be a region such as eu-central-1"),
  service: z
    .string()
    .regex(/^[a-z0-9-]{1,50}$/)
    .describe("The service's name in signatures, such as s3 or execute-api"),
  audience: visibleText.default("sts.amazonaws.com"),
  sts_endpoint: endpoint.default("https://sts.amazonaws.com").describe("AWS recommends the one of the role's region"),
};
