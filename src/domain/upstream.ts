import type { Catalogue, SecretReference } from "./tenant.ts";

interface UpstreamBase {
  readonly id: string;
  /** The person who answers for what it holds; one of `people`. */
  readonly owner?: string | undefined;
  readonly base_url: string;
  /** The name of a catalogue that ships with Stint, or a catalogue of the tenant's own. */
  readonly catalogue: string | Catalogue;
  /** Of the catalogue, these operations alone. */
  readonly operations?: readonly string[] | undefined;
}

export interface GithubAppUpstream extends UpstreamBase {
  readonly connector: "github_app";
  readonly app_id: string;
  readonly installation_id: string;
  readonly private_key: SecretReference;
}

export interface ApiKeyUpstream extends UpstreamBase {
  readonly connector: "api_key";
  readonly api_key: SecretReference;
  /** The header that carries the key; `Authorization` unless told. */
  readonly header: string;
  /** What stands before the key in that header, for example `Bearer`; empty for nothing. */
  readonly scheme: string;
  /** The query parameter that carries the key, in place of a header. */
  readonly query?: string | undefined;
}

export interface SlackUpstream extends UpstreamBase {
  readonly connector: "slack";
  readonly token: SecretReference;
  /** Whether the end of a session revokes the token, which every session shares: for one that was made for one session. */
  readonly revoke_at_end: boolean;
}

export interface JwtUpstream extends UpstreamBase {
  readonly connector: "jwt";
  /** The `aud` of the tokens; `base_url` unless told. */
  readonly audience?: string | undefined;
  /** Whether they are bound to a key that Stint proves at each call; an upstream that cannot check that gets bearer tokens. */
  readonly dpop_bound_access_tokens: boolean;
}

/** How Stint proves who it is at an upstream's token endpoint, RFC 7591 §2. */
export const UPSTREAM_CLIENT_AUTHENTICATION_METHODS = [
  "client_secret_basic",
  "client_secret_post",
  "private_key_jwt",
  "none",
] as const;

/** Stint as an OAuth client of an upstream's authorization server. */
export interface OAuthClient {
  /** Where there is none, the metadata of `authorization_server` names it, RFC 8414. */
  readonly token_endpoint?: string | undefined;
  /** The authorization server's issuer, and the `aud` of assertions; the token endpoint is their `aud` where there is none. */
  readonly authorization_server?: string | undefined;
  /** RFC 7009. Name it only where it ends the one token, and not the connection with it. */
  readonly revocation_endpoint?: string | undefined;
  readonly client_id: string;
  readonly token_endpoint_auth_method: (typeof UPSTREAM_CLIENT_AUTHENTICATION_METHODS)[number];
  readonly client_secret?: SecretReference | undefined;
  /** PEM, RSA or P-256. Signs client assertions, and JWT bearer assertions. */
  readonly private_key?: SecretReference | undefined;
  readonly private_key_id?: string | undefined;
}

/** How a refresh token is kept and used. */
export interface RefreshTokenSource {
  readonly grant_type: "refresh_token";
  readonly refresh_token: SecretReference;
  /** Whether each use replaces the token, so that a lost answer loses the connection. */
  readonly refresh_token_rotation: boolean;
}

/** Each person links an account of their own; a session uses that of the person it acts for. */
export interface LinkedAccountSource {
  readonly grant_type: "authorization_code";
  /** Where there is none, the metadata of `authorization_server` names it, RFC 8414. */
  readonly authorization_endpoint?: string | undefined;
  /** What else the server has to be asked with, such as Google's `access_type`. */
  readonly authorization_parameters: Readonly<Record<string, string>>;
  readonly refresh_token_rotation: boolean;
}

type OAuthGrant =
  | { readonly grant_type: "client_credentials" }
  | RefreshTokenSource
  | LinkedAccountSource
  | {
      readonly grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer";
      /** Whom the token is for; the session's own subject unless told. */
      readonly subject?: string | undefined;
    }
  | {
      readonly grant_type: "urn:ietf:params:oauth:grant-type:token-exchange";
      readonly subject?: string | undefined;
      /** A token to exchange; a JWT by Stint about the session unless told. */
      readonly subject_token?: SecretReference | undefined;
      readonly subject_token_type: string;
    };

export type OAuth2Upstream = UpstreamBase &
  OAuthClient &
  OAuthGrant & {
    readonly connector: "oauth2";
    /** What is asked for where the catalogue names no scopes, RFC 6749 §3.3. */
    readonly scope?: string | undefined;
    /** Whether each session's token is asked for with no more scope than it needs, and refused when it holds more. */
    readonly scope_narrowing: boolean;
    /** RFC 8707. */
    readonly resource?: string | undefined;
    readonly audience?: string | undefined;
  };

export type OAuth2RefreshUpstream = Extract<OAuth2Upstream, RefreshTokenSource>;

export type LinkedUpstream = Extract<OAuth2Upstream, LinkedAccountSource>;

/** A Google user's own consent: `oauth2` with a refresh token, as Google has it. */
export interface GoogleOAuthUpstream extends UpstreamBase {
  readonly connector: "google_oauth";
  readonly client_id: string;
  readonly client_secret: SecretReference;
  readonly refresh_token: SecretReference;
  readonly token_endpoint: string;
  readonly scope_narrowing: boolean;
}

export interface GoogleServiceAccountUpstream extends UpstreamBase {
  readonly connector: "google_service_account";
  /** The JSON key file, as Google hands it out. */
  readonly service_account_key: SecretReference;
  /** The user to act for, where the domain has delegated that. */
  readonly subject?: string | undefined;
  readonly token_endpoint: string;
}

/** A service of AWS, by a role that trusts Stint as an OpenID provider. */
export interface AwsUpstream extends UpstreamBase {
  readonly connector: "aws";
  readonly role_arn: string;
  readonly region: string;
  /** The service's name in signatures, such as `s3`. */
  readonly service: string;
  /** The `aud` that the role expects. */
  readonly audience: string;
  readonly sts_endpoint: string;
}

export type Upstream =
  | GithubAppUpstream
  | ApiKeyUpstream
  | SlackUpstream
  | JwtUpstream
  | OAuth2Upstream
  | GoogleOAuthUpstream
  | GoogleServiceAccountUpstream
  | AwsUpstream;
