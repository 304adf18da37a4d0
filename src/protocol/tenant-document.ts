import * as z from "zod/v4";
import { compileTenant, type DocumentProblem, type ShippedCatalogues } from "../domain/compiled-tenant.ts";
import type { Json } from "../domain/canonical-json.ts";
import { warnHandOuts } from "../domain/hand-out.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { isRedirectUri } from "../domain/redirect-uri.ts";
import {
  ASSURANCE_LEVELS,
  assuranceLevels,
  CLIENT_AUTHENTICATION_METHODS,
  TRUST_LEVELS,
  SSO_AUTHENTICATION_METHODS,
  type TenantDocument,
  type TrustPolicy,
} from "../domain/tenant.ts";
import { OWNER_WORD } from "../domain/approvers.ts";
import { LONGEST_BREAK_GLASS_SECONDS, LONGEST_REVIEW_SECONDS } from "../domain/break-glass.ts";
import { formatDuration, parseDuration } from "../domain/duration.ts";
import { isPublicHost } from "../domain/public-address.ts";
import { moment } from "./absence.ts";
import { identifier, limitsSchema } from "./authorization-details.ts";
import { encryptionKeySchema } from "./encryption-key.ts";
import { jwksSchema } from "./jwks.ts";
import { secretReference } from "./secret-reference.ts";
import {
  apiKeyShape,
  awsShape,
  clientCredentialsShape,
  googleOAuthShape,
  googleServiceAccountShape,
  jwtBearerShape,
  jwtShape,
  linkedAccountShape,
  oauth2Shape,
  refreshTokenShape,
  slackShape,
  tokenExchangeShape,
} from "./upstream-shapes.ts";

const MAX_LIST = 500;

/** A name that people read: no control, invisible or bidirectional characters. */
const displayName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+$/u, "must be plain visible text");
const clientId = z
  .string()
  .regex(
    /^(?!host:)[A-Za-z0-9][A-Za-z0-9._~:/-]{0,199}$/,
    "must be letters, digits and . _ ~ : / -, and not begin with host:",
  );
const personId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]{0,199}$/, "must be an id such as dana@acme.example");
const emailAddress = z
  .string()
  .max(254)
  .regex(/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/, "must be one bare address");
const groupName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be lower-case letters, digits, dots, dashes or underscores");
const duration = z.string().regex(/^[1-9][0-9]{0,5}[smhd]$/, "must be a duration such as 90s, 30m or 2h");

/** An address that the broker calls. Whether it may be called is judged again at every call. */
const baseUrl = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine((text) => {
    const url = new URL(text);
    return url.username === "" && url.password === "" && url.search === "" && url.hash === "" && !text.endsWith("/");
  }, "must be an http(s) URL without user, query, fragment or a slash at the end");
const resourceUri = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine(
    (text) => new URL(text).hash === "" && new URL(text).username === "",
    "must be an absolute URI without fragment (RFC 8707)",
  );
const issuer = z
  .string()
  .max(300)
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    "must be an origin such as https://stint.acme.example",
  );

/** Where a client's keys are fetched from, at most once a minute. */
const jwksUri = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine(
    (text) => new URL(text).username === "" && new URL(text).hash === "",
    "must be a URL without user or fragment",
  )
  .describe("Where the keys are fetched from; instead of jwks");
const keySource = { jwks: jwksSchema.optional(), jwks_uri: jwksUri.optional() };
const dpopBound = z
  .boolean()
  .default(true)
  .describe("Whether tokens are always bound to a key (DPoP). With false, whoever holds such a token can use it");
const trust = z.enum(TRUST_LEVELS);
const agentTrust = trust
  .default("local")
  .describe("Where it runs: local, on a person's machine, as behind stint mcp and stint run; or remote, as a service");

const agent = z.strictObject({
  client_id: clientId,
  name: displayName,
  owner: personId,
  ...keySource,
  token_endpoint_auth_method: z.enum(CLIENT_AUTHENTICATION_METHODS).default("private_key_jwt"),
  redirect_uris: z
    .array(z.string().max(500).refine(isRedirectUri, "must be https, or http on loopback, without fragment or user"))
    .max(20)
    .default([])
    .describe("Where a browser may return to; a loopback address with any port"),
  dpop_bound_access_tokens: dpopBound,
  trust: agentTrust,
});

const metadataHost = z.strictObject({
  host: z
    .string()
    .max(253)
    .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?$/, "must be a host name such as vscode.dev"),
  owner: personId,
  dpop_bound_access_tokens: dpopBound,
  trust: agentTrust,
});

const identityProvider = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }).max(500),
  ...keySource,
});

const providerGroups = z.array(z.string().min(1).max(255)).min(1).max(50).optional();
const singleSignOn = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }).max(500),
  client_id: z.string().min(1).max(255),
  token_endpoint_auth_method: z.enum(SSO_AUTHENTICATION_METHODS).default("client_secret_basic"),
  client_secret: secretReference.optional(),
  scope: z
    .string()
    .max(500)
    .regex(/^openid(?: [!#-[\]-~]+)*$/, "must begin with openid")
    .default("openid"),
  max_age: duration
    .default("15m")
    .describe("How long ago an approver may have proved themselves to the provider when they decide"),
  acr_values: z
    .array(z.string().regex(/^[!-~]{1,255}$/))
    .max(10)
    .default([])
    .describe("What is asked of the provider; its answer has to be one of them"),
  groups_claim: z.string().min(1).max(100).default("groups"),
  roles: z
    .strictObject({ approver: providerGroups, admin: providerGroups, auditor: providerGroups })
    .default({})
    .describe("For a role, the provider's groups of which one is needed to hold it, besides the role in people"),
});

const away = z
  .strictObject({ from: moment, until: moment, delegate: personId })
  .describe("When this person is away, thirty days at most, and which approver may decide in their place meanwhile");

const person = z.strictObject({
  id: personId,
  name: displayName,
  roles: z
    .array(z.enum(["approver", "admin", "auditor"]))
    .max(3)
    .default([]),
  groups: z.array(groupName).max(50).default([]),
  email: emailAddress.optional().describe("Where mail goes, when the id is not the address"),
  slack: z
    .string()
    .regex(/^[UW][A-Z0-9]{2,20}$/, "must be a Slack member id such as U012ABCDEF")
    .optional(),
  identities: z
    .array(z.strictObject({ issuer: z.url().max(500), subject: z.string().min(1).max(255) }))
    .max(10)
    .default([])
    .describe("Who this person is at the tenant's identity providers"),
  away: away.optional(),
});

/** A path to the letter: what a pattern matches besides would be judged by its body too. */
const endpointPath = z
  .string()
  .max(300)
  .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, "must be a path such as /graphql");
const fieldNames = z
  .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, "must be the name of a field"))
  .min(1)
  .max(200);
const names = z
  .array(z.string().regex(/^[!-~]{1,128}$/, "must be a name without spaces"))
  .min(1)
  .max(200);
const cost = z.int().min(1).max(1_000_000).optional();
const operation = z.strictObject({
  access: z.enum(["read", "write"]),
  title: displayName.describe("What it lets an agent do, in the words an approver reads"),
  routes: z
    .array(z.string().max(300))
    .max(100)
    .default([])
    .describe("METHOD and URLPattern pathname, such as GET /repos/:owner/:repo/issues"),
  graphql: z
    .strictObject({
      path: endpointPath,
      query: fieldNames.optional(),
      mutation: fieldNames.optional(),
      selects: fieldNames
        .optional()
        .describe("Names of the fields that may be asked for below; all of them unless told"),
    })
    .optional()
    .describe("Root fields of a GraphQL endpoint; every field of a document needs an operation that was granted"),
  jsonrpc: z
    .strictObject({ path: endpointPath, methods: names.optional(), tools: names.optional() })
    .optional()
    .describe("Methods of a JSON-RPC endpoint, and tools for its method tools/call; every call of a batch is judged"),
  location: z.string().max(200).optional().describe("How a location is read off the path, such as :owner/:repo"),
  permissions: z.record(z.string().max(64), z.string().max(64)).optional(),
  cost: cost.describe("Cost units of one call; 1 unless told"),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/, "must be a scope, RFC 6749 §3.3"))
    .max(20)
    .optional()
    .describe("The OAuth scopes that it needs at the upstream"),
  read_by_post: z.boolean().optional().describe("Whether a read may be a POST, for an upstream that searches so"),
});
const catalogue = z.strictObject({
  operations: z.record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:._-]{0,99}$/), operation),
  repeatable: z
    .array(z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "must be the plain name of a query parameter"))
    .max(50)
    .optional()
    .describe(
      "Query parameters that may stand several times, because the upstream reads them as lists; name[] always may",
    ),
});

const upstreamBase = {
  id: identifier.refine((id) => id !== "mcp", "is a reserved word"),
  base_url: baseUrl,
  owner: personId.optional().describe("Who answers for what it holds; named by owner:upstream in a policy"),
  catalogue: z.union([identifier, catalogue]),
  operations: z
    .array(z.string().max(100))
    .min(1)
    .max(MAX_LIST)
    .optional()
    .describe("Of the catalogue, these operations alone; all of them unless told"),
};
const upstream = z.discriminatedUnion("connector", [
  z.strictObject({
    ...upstreamBase,
    connector: z.literal("github_app"),
    app_id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    installation_id: z.string().regex(/^[0-9]{1,20}$/),
    private_key: secretReference,
  }),
  z.strictObject({ ...upstreamBase, ...apiKeyShape }),
  z.strictObject({ ...upstreamBase, ...slackShape }),
  z.strictObject({ ...upstreamBase, ...jwtShape }),
  z.discriminatedUnion("grant_type", [
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...clientCredentialsShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...refreshTokenShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...linkedAccountShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...jwtBearerShape }),
    z.strictObject({ ...upstreamBase, ...oauth2Shape, ...tokenExchangeShape }),
  ]),
  z.strictObject({ ...upstreamBase, ...googleOAuthShape }),
  z.strictObject({ ...upstreamBase, ...googleServiceAccountShape }),
  z.strictObject({ ...upstreamBase, ...awsShape }),
]);

const server = z.strictObject({
  id: identifier,
  resource: resourceUri,
  owner: personId,
  trust,
  ...keySource,
  dpop_bound_access_tokens_required: dpopBound,
  hand_out: z
    .array(identifier)
    .max(MAX_LIST)
    .default([])
    .describe("Upstreams whose own token this server may be handed: the proxy then no longer holds it to its grant"),
  encryption_key: encryptionKeySchema
    .optional()
    .describe("A public key (P-256, or RSA of 2048 to 4096 bits) to which what is handed out is encrypted"),
  definitions: z
    .enum(["pinned", "signed"])
    .default("pinned")
    .describe(
      "Who accepts what it says of its tools: its owner, each time (pinned), or a key of jwks by signed_metadata (signed)",
    ),
  tools: z.record(
    z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}$/),
    z.strictObject({
      access: z.enum(["read", "write"]),
      operations: z
        .array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}:[A-Za-z0-9:._-]{1,100}$/, "must be upstream:operation"))
        .max(50),
      cost: cost.describe("Cost units of one call; 1 unless told"),
    }),
  ),
});

/** `*` may stand for a location or a part of it, and for an operation's name, never for the upstream. */
const allowPattern = z
  .string()
  .max(300)
  .regex(
    /^(?:mcp:[a-z0-9][a-z0-9._-]{0,63}:[A-Za-z0-9_./*-]{1,128}|(?!mcp:)[a-z0-9][a-z0-9._-]{0,63}:[A-Za-z0-9:._*-]{1,100}(?:@[!-~]{1,200})?)$/,
    "must be upstream:operation@location or mcp:server:tool",
  );
const approvers = z
  .array(z.union([z.string().regex(/^group:[a-z0-9][a-z0-9._-]{0,63}$/), z.literal(OWNER_WORD), personId]))
  .min(1)
  .max(MAX_LIST)
  .describe("A person's id, group:NAME, or owner:upstream: whoever owns all that the request touches");
const assuranceLevel = z.enum(ASSURANCE_LEVELS);
const assuranceRule = z.strictObject({
  level: assuranceLevel,
  access: z.literal("write").optional().describe("Only where something may be written"),
  units: z
    .array(allowPattern)
    .min(1)
    .max(MAX_LIST)
    .optional()
    .describe(
      "Only where one of these is touched; * stands for any run of characters, / too, and case does not matter",
    ),
  longer_than: duration.optional().describe("Only where the session may last longer than this"),
});
const MAX_ASSURANCE_RULES = 50;
const policy = z.strictObject({
  id: identifier,
  agents: z
    .array(z.union([clientId, z.string().regex(/^host:[a-z0-9.:-]{1,253}$/)]))
    .min(1)
    .max(MAX_LIST)
    .describe("client_id, or host:NAME for every client of a welcome metadata host"),
  trust: trust.optional().describe("Among these agents only those of this trust; all of them unless told"),
  allow: z.array(allowPattern).min(1).max(MAX_LIST),
  max_duration: duration,
  approvers,
  escalate: z
    .strictObject({ after: duration, to: approvers })
    .optional()
    .describe("Who is asked as well when nobody has decided after a time"),
  assurance: z
    .union([assuranceLevel, z.array(assuranceRule).min(1).max(MAX_ASSURANCE_RULES)])
    .default("passkey")
    .describe(
      "How well an approver must be known; link means that holding the link is enough. Of several rules, the highest level that fits counts",
    ),
  quorum: z.int().min(1).max(5).default(1).describe("How many approvers have to sign the same grant"),
  enter_match_code: z
    .boolean()
    .default(false)
    .describe("Whether an approver has to type the code that the agent shows; then no message or page tells it"),
  solo: z.boolean().default(false).describe("Whether an agent's own owner, or the person it works for, may approve it"),
  limits: limitsSchema
    .optional()
    .describe(
      "How much of each upstream and each remote server one session may use at most, and does where the request names no limit",
    ),
});

const notify = z.strictObject({
  slack: z
    .strictObject({
      channel: z
        .string()
        .regex(/^[#A-Za-z0-9_-]{1,80}$/)
        .optional()
        .describe("Where a notice without any link goes"),
      token: secretReference,
      base_url: baseUrl.default("https://slack.com/api"),
      interactions: z
        .strictObject({
          signing_secret: secretReference.describe("What Slack signs with what is pressed in a message"),
          team_id: z
            .string()
            .regex(/^T[A-Z0-9]{2,20}$/)
            .describe("The only workspace whose presses count"),
        })
        .optional()
        .describe("Lets an approver deny in the message itself. Nothing is approved there"),
    })
    .optional(),
  email: z
    .strictObject({
      from: emailAddress,
      resend: z
        .strictObject({ api_key: secretReference, base_url: baseUrl.default("https://api.resend.com") })
        .optional(),
      smtp: z
        .strictObject({
          host: z.string().regex(/^[A-Za-z0-9.-]{1,253}$/),
          port: z.int().min(1).max(65_535),
          security: z.enum(["tls", "starttls", "none"]).default("starttls"),
          username: z.string().min(1).max(200).optional(),
          password: secretReference.optional(),
        })
        .optional(),
    })
    .refine(({ resend, smtp }) => (resend === undefined) !== (smtp === undefined), "needs either resend or smtp")
    .optional(),
  webhook: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .max(500)
        .refine((text) => new URL(text).username === "" && new URL(text).hash === "", "must have no user or fragment"),
      secret: secretReference.describe("Standard Webhooks: whsec_ and at least 24 bytes in base64"),
    })
    .optional(),
});

/** More would be waved through, or not read at all. */
const DEFAULT_OPEN_REQUESTS = 10;
const limits = z.strictObject({
  open_requests_per_approver: z
    .int()
    .min(1)
    .max(500)
    .default(DEFAULT_OPEN_REQUESTS)
    .describe("Requests that one person is asked to decide at once; the others wait until a place is free"),
});

const breakGlass = z.strictObject({
  max_duration: duration.default("1h").describe("How long a session may last that an admin began alone; 1h at most"),
  review_within: duration
    .default("3d")
    .describe("How long it may wait for a review before its admin can do no other; 7d at most"),
});

const list = <T extends z.ZodType>(item: T) => z.array(item).max(MAX_LIST).default([]);

/** The tenant document. `npm run schema` publishes it as `schema/tenant.schema.json`. */
export const tenantDocumentSchema = z.strictObject({
  $schema: z.string().max(500).optional(),
  issuer: issuer.describe("The tenant's origin; one of the origins the broker serves"),
  agents: list(agent),
  client_metadata_hosts: list(metadataHost).describe(
    "Hosts whose clients need no registration: their client_id is the address of a metadata document",
  ),
  identity_providers: list(identityProvider).describe("Whose identity assertions (ID-JAG) are believed"),
  sso: singleSignOn.optional().describe("The identity provider that people sign in with, by OpenID Connect"),
  people: list(person),
  upstreams: list(upstream),
  servers: list(server),
  policies: list(policy),
  notify: notify.default({}),
  limits: limits.default({ open_requests_per_approver: DEFAULT_OPEN_REQUESTS }),
  break_glass: breakGlass
    .optional()
    .describe("Lets an admin decide a waiting request alone, loudly and reviewed afterwards; nobody can without it"),
});

/** A document that may be applied, and what its author should know about it. */
export interface ReadDocument {
  readonly document: TenantDocument;
  readonly warnings: readonly DocumentProblem[];
}

/** What a broker is, as far as a document must fit it. */
export interface DocumentSetting {
  readonly issuer: string;
  readonly shipped: ShippedCatalogues;
  /** Whether it may call loopback and private networks. */
  readonly allowPrivateNetwork: boolean;
}

/** Reads a tenant document: its shape by the schema, its sense by compiling it. */
export function readTenantDocument(
  value: Json,
  setting: DocumentSetting,
): Result<ReadDocument, readonly DocumentProblem[]> {
  const parsed = tenantDocumentSchema.safeParse(value);
  if (!parsed.success) {
    return err(
      parsed.error.issues.flatMap(flattenIssue).map(({ path, message }) => ({ path: pointer(path), message })),
    );
  }
  const document: TenantDocument = parsed.data;
  const { problems } = compileTenant(document, setting.shipped);
  const all = [
    ...problems,
    ...confusableNames(document),
    ...longBreakGlass(document),
    ...(setting.allowPrivateNetwork ? [] : privateAddresses(document)),
  ];
  if (document.issuer !== setting.issuer) {
    all.unshift({ path: "/issuer", message: `this is the broker of ${setting.issuer}` });
  }
  if (all.length > 0) return err(all);
  return ok({
    document,
    warnings: [
      ...document.policies.flatMap(warnAssurance),
      ...warnBearer(document),
      ...warnSigned(document),
      ...warnHandOuts(document),
      ...warnBreakGlass(document),
    ],
  });
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[];
}

/** A union's own issue says only "invalid input"; the issues of its most promising branch say why. */
function flattenIssue(issue: Issue): Issue[] {
  const branches = issue.errors ?? [];
  const [best] = branches.filter((branch) => branch.length > 0).toSorted((a, b) => deepest(b) - deepest(a));
  if (best === undefined) return [issue];
  return best.flatMap((inner) => flattenIssue({ ...inner, path: [...issue.path, ...inner.path] }));
}

function deepest(issues: readonly Issue[]): number {
  return Math.max(...issues.map((issue) => issue.path.length));
}

function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function longBreakGlass({ break_glass }: TenantDocument): DocumentProblem[] {
  if (break_glass === undefined) return [];
  return (
    [
      ["max_duration", break_glass.max_duration, LONGEST_BREAK_GLASS_SECONDS],
      ["review_within", break_glass.review_within, LONGEST_REVIEW_SECONDS],
    ] as const
  ).flatMap(([name, text, longest]) =>
    (parseDuration(text) ?? Infinity) <= longest
      ? []
      : [{ path: `/break_glass/${name}`, message: `may be ${formatDuration(longest)} at most` }],
  );
}

function warnBreakGlass({ break_glass }: TenantDocument): DocumentProblem[] {
  return break_glass === undefined
    ? []
    : [{ path: "/break_glass", message: "an admin can decide a request alone, whoever its policy names" }];
}

/** Addresses that this broker would refuse to call, told now and not at the first call. */
function privateAddresses(document: TenantDocument): DocumentProblem[] {
  const {
    upstreams,
    agents,
    servers,
    identity_providers,
    sso,
    notify: { slack, email, webhook },
  } = document;
  const addresses: (readonly [string, string | undefined])[] = [
    ...agents.map(({ jwks_uri }, at) => [`/agents/${at}/jwks_uri`, jwks_uri] as const),
    ...servers.map(({ jwks_uri }, at) => [`/servers/${at}/jwks_uri`, jwks_uri] as const),
    ...identity_providers.map(({ jwks_uri }, at) => [`/identity_providers/${at}/jwks_uri`, jwks_uri] as const),
    ...upstreams.flatMap((upstream, at) =>
      UPSTREAM_ADDRESSES.map((name) => [`/upstreams/${at}/${name}`, addressIn(upstream, name)] as const),
    ),
    ["/sso/issuer", sso?.issuer],
    ["/notify/webhook/url", webhook?.url],
    ["/notify/slack/base_url", slack?.base_url],
    ["/notify/email/resend/base_url", email?.resend?.base_url],
  ];
  const problems = addresses.flatMap(([path, address]) => {
    if (address === undefined) return [];
    const { protocol, hostname, port } = new URL(address);
    return protocol === "https:" && port === "" && isPublicHost(hostname) ? [] : [{ path, message: NOT_PUBLIC }];
  });
  const { smtp } = email ?? {};
  const isPrivateSmtp = smtp !== undefined && (!isPublicHost(smtp.host) || smtp.security === "none");
  return isPrivateSmtp ? [...problems, { path: "/notify/email/smtp", message: NOT_PUBLIC }] : problems;
}

const UPSTREAM_ADDRESSES = [
  "base_url",
  "authorization_endpoint",
  "token_endpoint",
  "revocation_endpoint",
  "authorization_server",
  "sts_endpoint",
];

function addressIn(upstream: object, name: string): string | undefined {
  return (upstream as { [member: string]: string | undefined })[name];
}

const NOT_PUBLIC =
  "must be a public host, reached encrypted and on its usual port; others only with stint serve --allow-private-network";

/** Two agents whose names look alike could be mistaken for one another on an approval page. */
function confusableNames(document: TenantDocument): DocumentProblem[] {
  const seen = new Map<string, string>();
  return document.agents.flatMap((candidate, at) => {
    const skeleton = candidate.name
      .normalize("NFKC")
      .toLowerCase()
      .replaceAll(/[\s_.-]+/g, "");
    const mixed =
      /\p{Script=Latin}/u.test(candidate.name) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(candidate.name);
    const path = `/agents/${at}/name`;
    if (mixed) return [{ path, message: "mixes alphabets whose letters look alike" }];
    const twin = seen.get(skeleton);
    if (twin !== undefined) return [{ path, message: `looks like the name of agent "${twin}"` }];
    seen.set(skeleton, candidate.client_id);
    return [];
  });
}

/** A token that is bound to no key is worth a warning every time the document is applied. */
function warnBearer({ servers }: TenantDocument): DocumentProblem[] {
  return servers.flatMap(({ id, dpop_bound_access_tokens_required }, at) =>
    dpop_bound_access_tokens_required
      ? []
      : [
          {
            path: `/servers/${at}/dpop_bound_access_tokens_required`,
            message: `server ${id} takes tokens that are bound to no key: whoever holds one can use it`,
          },
        ],
  );
}

/** Whoever holds the server's key then says what agents read of its tools. */
function warnSigned({ servers }: TenantDocument): DocumentProblem[] {
  return servers.flatMap(({ id, definitions }, at) =>
    definitions === "pinned"
      ? []
      : [
          {
            path: `/servers/${at}/definitions`,
            message: `server ${id} accepts its own tool definitions by signature: nobody looks at them first`,
          },
        ],
  );
}

function warnAssurance({ id, assurance }: TrustPolicy, at: number): DocumentProblem[] {
  const path = `/policies/${at}/assurance`;
  return assuranceLevels(assurance).includes("link")
    ? [{ path, message: `policy ${id} takes whoever holds the link for the approver` }]
    : [];
}
