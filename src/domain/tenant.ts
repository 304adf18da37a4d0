import type { Limits } from "./limits.ts";
import type { Upstream } from "./upstream.ts";

/**
 * What one tenant's document says, after validation. The document is the whole of a tenant's
 * configuration; its JSON Schema is published as `schema/tenant.schema.json`.
 */
export interface TenantDocument {
  readonly $schema?: string | undefined;
  readonly issuer: string;
  readonly agents: readonly AgentRegistration[];
  readonly client_metadata_hosts: readonly MetadataHost[];
  readonly identity_providers: readonly IdentityProvider[];
  readonly sso?: SingleSignOn | undefined;
  readonly people: readonly Person[];
  readonly upstreams: readonly Upstream[];
  readonly servers: readonly Server[];
  readonly policies: readonly TrustPolicy[];
  readonly notify: NotifyChannels;
  readonly limits: AskLimits;
  readonly break_glass?: BreakGlassRule | undefined;
}

/** Lets an admin decide a request alone in an emergency. Without it nobody can. */
export interface BreakGlassRule {
  /** How long such a session may last at most. */
  readonly max_duration: string;
  /** After this time without a review its admin cannot do it again. */
  readonly review_within: string;
}

/** What keeps a human from being worn down. */
export interface AskLimits {
  /** Requests that one person is asked to decide at once; the others are held back until a place is free. */
  readonly open_requests_per_approver: number;
}

/** A public key set, RFC 7517 §5, of the keys a client signs its assertions with. */
export interface PublicJwks {
  readonly keys: readonly PublicJwk[];
}

/** A public key, RFC 7517. Which members matter depends on `kty`. */
export interface PublicJwk {
  readonly kty: string;
  readonly kid?: string | undefined;
  readonly alg?: string | undefined;
  readonly use?: string | undefined;
  readonly crv?: string | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly n?: string | undefined;
  readonly e?: string | undefined;
}

/** How a client proves who it is at our endpoints, RFC 7591 §2. `none` is a public client. */
export const CLIENT_AUTHENTICATION_METHODS = ["private_key_jwt", "none"] as const;
export type ClientAuthentication = (typeof CLIENT_AUTHENTICATION_METHODS)[number];

/**
 * Where something runs. `local`: on a person's machine, beside programs that nobody vouches for and that
 * may reach its keys. `remote`: as a service, whose keys are its own.
 */
export const TRUST_LEVELS = ["local", "remote"] as const;
export type Trust = (typeof TRUST_LEVELS)[number];

/** A client's keys: written down here, or fetched from where the client publishes them. */
interface KeySource {
  readonly jwks?: PublicJwks | undefined;
  readonly jwks_uri?: string | undefined;
}

/** A registered agent, with the metadata names of RFC 7591. */
export interface AgentRegistration extends KeySource {
  readonly client_id: string;
  readonly name: string;
  /** The person who answers for this agent; one of `people`. */
  readonly owner: string;
  readonly token_endpoint_auth_method: ClientAuthentication;
  /** Where a browser may return to with a code: https, or http on loopback with any port. */
  readonly redirect_uris: readonly string[];
  /** RFC 9449 §5.2. Only where it is false may a token be bound to no key, at servers that take such tokens. */
  readonly dpop_bound_access_tokens: boolean;
  /** `local` where nothing is said: the less that is known, the less it is trusted. */
  readonly trust: Trust;
}

/** A host whose clients are welcome without registration, by the metadata document that is their `client_id`. */
export interface MetadataHost {
  /** A host name; every client of it is meant. */
  readonly host: string;
  /** The person who answers for these clients; one of `people`. */
  readonly owner: string;
  readonly dpop_bound_access_tokens: boolean;
  readonly trust: Trust;
}

/** An enterprise's identity provider, whose identity assertions (ID-JAG) are believed. */
export interface IdentityProvider extends KeySource {
  readonly issuer: string;
}

/** How a client of an identity provider proves who it is, RFC 7591 §2. */
export const SSO_AUTHENTICATION_METHODS = ["client_secret_basic", "client_secret_post", "none"] as const;

/** The identity provider that people sign in with, by OpenID Connect. */
export interface SingleSignOn {
  readonly issuer: string;
  readonly client_id: string;
  readonly token_endpoint_auth_method: (typeof SSO_AUTHENTICATION_METHODS)[number];
  readonly client_secret?: SecretReference | undefined;
  readonly scope: string;
  /** How long ago somebody may have proved themselves there, for a decision: `15m`. */
  readonly max_age: string;
  /** One of them has to be the `acr` of the answer; none means that any will do. */
  readonly acr_values: readonly string[];
  /** The claim that names a person's groups at the provider. */
  readonly groups_claim: string;
  /** For a role, the provider's groups of which one is needed to hold it. */
  readonly roles: { readonly [role in Role]?: readonly string[] | undefined };
}

/** Who a person is at an identity provider. An address is no identity: it is given to others in time. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

export type Role = "approver" | "admin" | "auditor";

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly groups: readonly string[];
  /** Where mail goes; the `id` when that is an address and this is absent. */
  readonly email?: string | undefined;
  /** Slack member id, for a direct message. */
  readonly slack?: string | undefined;
  readonly identities: readonly Identity[];
  readonly away?: Away | undefined;
}

/** When a person is away, as RFC 3339 times, and who may decide in their place meanwhile. */
export interface Away {
  readonly from: string;
  readonly until: string;
  readonly delegate: string;
}

/** A reference to a secret: a name in the sealed store, or in the broker's environment. */
export interface SecretReference {
  readonly secret: string;
}

/** The operations of one upstream, by name. */
export interface Catalogue {
  readonly operations: { readonly [name: string]: Operation };
  /** Plain query parameters that may stand several times in a call, because the upstream reads them as lists. */
  readonly repeatable?: readonly string[] | undefined;
}

/** A named set of calls of one upstream. */
export interface Operation {
  readonly access: "read" | "write";
  /** What it lets an agent do, in the words an approver reads. */
  readonly title: string;
  /** `METHOD /path` lines; a path is a URLPattern pathname such as `/repos/:owner/:repo/issues`. */
  readonly routes: readonly string[];
  /** Calls that only their body tells apart: root fields of a GraphQL endpoint. */
  readonly graphql?: GraphqlFields | undefined;
  /** Calls that only their body tells apart: methods of a JSON-RPC endpoint. */
  readonly jsonrpc?: JsonRpcMethods | undefined;
  /**
   * How a location is read off the path, such as `:owner/:repo`. Without it, the operation knows no
   * locations, and is granted as a whole or not at all.
   */
  readonly location?: string | undefined;
  /** The upstream's own permissions for it, by name, such as `{ "issues": "write" }`. */
  readonly permissions?: { readonly [name: string]: string } | undefined;
  /** What one call takes from the `units` that a session is limited to; 1 where nothing is said. */
  readonly cost?: number | undefined;
  /** The OAuth scopes it needs, RFC 6749 §3.3. */
  readonly scopes?: readonly string[] | undefined;
  /** Whether a read may be a POST, because the upstream takes its searches so. */
  readonly read_by_post?: boolean | undefined;
}

/** Root fields of one GraphQL endpoint, by the type of operation in which they stand. */
export interface GraphqlFields {
  /** The endpoint's path. Every call of it is judged by its body alone. */
  readonly path: string;
  readonly query?: readonly string[] | undefined;
  readonly mutation?: readonly string[] | undefined;
  /**
   * Names of the fields that may be asked for below. Without it all may, and a graph leads from any of
   * its ends to most others: from an issue to its team's webhooks, and to their secrets.
   */
  readonly selects?: readonly string[] | undefined;
}

/** Methods of one JSON-RPC 2.0 endpoint. */
export interface JsonRpcMethods {
  /** The endpoint's path. Every call of it is judged by its body alone. */
  readonly path: string;
  readonly methods?: readonly string[] | undefined;
  /** Names that a call of the method `tools/call` (Model Context Protocol) may bring. */
  readonly tools?: readonly string[] | undefined;
}

/** A public key, RFC 7517, to which a server is sent what only it may read. */
export type EncryptionKey =
  | { readonly kty: "EC"; readonly crv: "P-256"; readonly x: string; readonly y: string; readonly kid: string }
  | { readonly kty: "RSA"; readonly n: string; readonly e: string; readonly kid: string };

export interface Server extends KeySource {
  readonly id: string;
  /** Its resource URI, RFC 8707: the audience of tokens meant for it. */
  readonly resource: string;
  readonly owner: string;
  readonly trust: Trust;
  /** RFC 9728 §2. Only where it is false may this server be given a token that is bound to no key. */
  readonly dpop_bound_access_tokens_required: boolean;
  /** Upstreams whose own token it may be handed, where the proxy holds it to nothing any more. */
  readonly hand_out: readonly string[];
  /** What is handed to it is encrypted to this key. */
  readonly encryption_key?: EncryptionKey | undefined;
  /** Who accepts what it says of its tools: its owner each time, or its own key, where the owner chose that. */
  readonly definitions: "pinned" | "signed";
  readonly tools: { readonly [name: string]: Tool };
}

export interface Tool {
  readonly access: "read" | "write";
  /** `upstream:operation` names that the tool needs. */
  readonly operations: readonly string[];
  /** What one call takes from the `units` that a session is limited to; 1 where nothing is said. */
  readonly cost?: number | undefined;
}

/** How well it is known who decided. Each level includes the ones before it. */
export const ASSURANCE_LEVELS = ["link", "sso", "passkey", "sso+passkey"] as const;
export type Assurance = (typeof ASSURANCE_LEVELS)[number];

/** Whether a level asks for a sign-in at the identity provider, by itself. */
export function involvesSso(assurance: Assurance): boolean {
  return assurance === "sso" || assurance === "sso+passkey";
}

/** Whether a level asks for a passkey's signature. */
export function involvesPasskey(assurance: Assurance): boolean {
  return assurance === "passkey" || assurance === "sso+passkey";
}

/** Every level that a policy speaks of, once. */
export function assuranceLevels(assurance: TrustPolicy["assurance"]): Assurance[] {
  return typeof assurance === "string" ? [assurance] : [...new Set(assurance.map(({ level }) => level))];
}

/** Demands a level of whatever meets all of its conditions; without any, of everything. */
export interface AssuranceRule {
  readonly level: Assurance;
  /** Where something may be written. */
  readonly access?: "write" | undefined;
  /** Where one of these is touched; `*` stands for any run of characters, and case does not matter. */
  readonly units?: readonly string[] | undefined;
  /** Where the session may last longer than this. */
  readonly longer_than?: string | undefined;
}

export interface TrustPolicy {
  readonly id: string;
  /** A `client_id`, or `host:NAME` for every client whose metadata document lives on that host. */
  readonly agents: readonly string[];
  /** Among them only those of this trust; all of them where nothing is said. */
  readonly trust?: Trust | undefined;
  /** `upstream:operation@location` or `mcp:server:tool`; `*` stands for a run of characters without `/`. */
  readonly allow: readonly string[];
  /** `30m`, `2h`, `90s`. */
  readonly max_duration: string;
  /** `group:NAME`, `owner:upstream` or a person's id. */
  readonly approvers: readonly string[];
  /** One level for all of it, or rules, of which the highest that fits counts. */
  readonly assurance: Assurance | readonly AssuranceRule[];
  /** How many of them have to approve the same grant. */
  readonly quorum: number;
  /** Who is asked as well when nobody has decided after a time. */
  readonly escalate?: { readonly after: string; readonly to: readonly string[] } | undefined;
  /** Whether an approver has to type the match code that the agent shows, in place of comparing it. */
  readonly enter_match_code: boolean;
  /** Whether an agent's own owner, or the person it acts for, may approve it. */
  readonly solo: boolean;
  /** How much of each upstream and each remote server one session may use at most, and does where the request names no limit. */
  readonly limits?: Limits | undefined;
}

export interface NotifyChannels {
  readonly slack?: SlackChannel | undefined;
  readonly email?: EmailChannel | undefined;
  readonly webhook?: WebhookChannel | undefined;
}

/** A program of the tenant's own that brings each approver their link. */
export interface WebhookChannel {
  readonly url: string;
  /** Signs what is posted, as Standard Webhooks has it (`whsec_…`). */
  readonly secret: SecretReference;
}

export interface SlackChannel {
  /** Where a notice without any link goes; the links go to each approver alone. */
  readonly channel?: string | undefined;
  readonly token: SecretReference;
  readonly base_url: string;
  readonly interactions?: SlackInteractions | undefined;
}

/** The name of the button by which a request is denied in Slack. */
export const SLACK_DENY_ACTION = "deny";

/** Lets an approver deny in a message of Slack's. */
export interface SlackInteractions {
  /** What Slack signs with what is pressed. */
  readonly signing_secret: SecretReference;
  /** The only workspace whose presses count. */
  readonly team_id: string;
}

export interface EmailChannel {
  readonly from: string;
  readonly resend?: { readonly api_key: SecretReference; readonly base_url: string } | undefined;
  readonly smtp?: SmtpServer | undefined;
}

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** `tls` from the first byte, `starttls` required, or `none` (loopback and private networks only). */
  readonly security: "tls" | "starttls" | "none";
  readonly username?: string | undefined;
  readonly password?: SecretReference | undefined;
}
