import { AuthorizationServer } from "../shared/authorization-server.ts";
import { ClientKey, type RegisteredKey } from "../shared/client-key.ts";
import type { Fetch } from "../shared/dpop-sender.ts";
import type { ProofKey } from "../shared/proof-key.ts";
import { isWithin } from "../shared/resource-fetch.ts";
import { Access } from "./access.ts";
import { Nonces } from "./nonces.ts";
import { OnceInProcess, type OnceOnly } from "./once-only.ts";
import { SIGNING_ALGORITHMS, verifyProof, type Proof } from "./proof.ts";
import { renderRefusal, type ChallengeTerms, type Refusal } from "./refusal.ts";
import { Introspection, OfflineCheck, type Statement, type TokenCheck } from "./token-check.ts";

const METADATA_PATH = "/.well-known/oauth-protected-resource";

/** A tool as it is registered: whether it only reads, and the units of upstream access that it needs to work. */
export type Tool =
  | "read"
  | "write"
  | {
      readonly access: "read" | "write";
      /** Named in challenges, so that who asks for the tool asks for these too: `github:issues:read@acme/api`. */
      readonly upstream: readonly string[];
    };

export interface GuardOptions {
  /** The tenant's issuer. */
  readonly issuer: string;
  /** This server as it is registered: its `id`, its `resource`, the private half of its key. */
  readonly server: string;
  readonly resource: string;
  readonly key: RegisteredKey;
  /** Its tools, as they are registered. A tool that is not listed is never called. */
  readonly tools: Readonly<Record<string, Tool>>;
  /** `introspect` (the usual) asks about every request; `offline` believes a signature for five minutes. */
  readonly check?: "introspect" | "offline";
  /** Takes tokens that are bound to no key, where the registration allows them. */
  readonly allowBearer?: boolean;
  /** 32 bytes: demands nonces in proofs, made from them. */
  readonly nonceSecret?: Uint8Array<ArrayBuffer>;
  /** What {@link signMetadata} made, where the owner has the server accepted by its signature. */
  readonly signedMetadata?: string;
  /** Browser origins that may call, beside the resource's own. */
  readonly origins?: readonly string[];
  /** Where used proofs are remembered; in this process, unless told otherwise. */
  readonly onceOnly?: OnceOnly;
  /** The key that exchanged tokens are bound to; without one, a key that cannot be taken out of this process. */
  readonly proofKey?: ProofKey;
  readonly fetch?: Fetch;
}

/** Stands before a server and lets in who holds a token of Stint's for it (RFC 9728, 9449, 9068, 6750). */
export class Guard {
  readonly #options: GuardOptions;
  readonly #resource: URL;
  readonly #check: TokenCheck;
  readonly #once: OnceOnly;
  readonly #nonces: Nonces | undefined;
  readonly #stint: AuthorizationServer;
  readonly #terms: ChallengeTerms;

  constructor(options: GuardOptions) {
    const { issuer, server, resource, key, nonceSecret, tools } = options;
    const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#options = options;
    this.#resource = new URL(resource);
    const introspection = new Introspection(issuer, new ClientKey(server, issuer, key), fetch);
    this.#check =
      options.check === "offline" ? new OfflineCheck(issuer, resource, introspection, fetch) : introspection;
    this.#once = options.onceOnly ?? new OnceInProcess();
    this.#nonces = nonceSecret === undefined ? undefined : new Nonces(nonceSecret);
    this.#stint = new AuthorizationServer({ ...options, clientId: server, fetch });
    const reads = Object.keys(tools).filter((name) => accessOf(tools[name]!) === "read");
    this.#terms = {
      resourceMetadata: this.#resource.origin + METADATA_PATH + pathOf(this.#resource),
      scope: this.#unitsOf(reads).join(" "),
      allowBearer: options.allowBearer === true,
    };
  }

  /** Protected resource metadata (RFC 9728 §3.1), at the path form and the root; undefined for other requests. */
  metadata(request: Request): Response | undefined {
    const { pathname } = new URL(request.url);
    if (pathname !== METADATA_PATH && pathname !== METADATA_PATH + pathOf(this.#resource)) return undefined;
    if (request.method !== "GET" && request.method !== "HEAD")
      return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
    const { signedMetadata } = this.#options;
    return Response.json(
      {
        resource: this.#options.resource,
        authorization_servers: [this.#options.issuer],
        scopes_supported: this.#unitsOf(Object.keys(this.#options.tools)),
        bearer_methods_supported: this.#options.allowBearer === true ? ["header"] : [],
        dpop_signing_alg_values_supported: SIGNING_ALGORITHMS,
        dpop_bound_access_tokens_required: this.#options.allowBearer !== true,
        authorization_details_types_supported: ["mcp_tools"],
        ...(signedMetadata === undefined ? {} : { signed_metadata: signedMetadata }),
      },
      // Anyone may read it, browsers too.
      { headers: { "access-control-allow-origin": "*" } },
    );
  }

  /**
   * Who calls and what was granted to them, or the answer that turns them away.
   *
   * @param tools what this request is about to call
   */
  async authorize(request: Request, tools: readonly string[] = []): Promise<Access | Response> {
    const access = await this.identify(request);
    return access instanceof Response ? access : (this.missing(access, tools) ?? access);
  }

  /** As {@link authorize}, before it is known what will be called. */
  async identify(request: Request): Promise<Access | Response> {
    const judged = await this.#judge(request, Math.floor(Date.now() / 1000));
    return "reason" in judged ? this.refuse(judged) : judged.access;
  }

  /** The answer to a call of tools that were not granted; undefined when all were. */
  missing(access: Access, tools: readonly string[]): Promise<Response> | undefined {
    if (!tools.every((tool) => Object.hasOwn(this.#options.tools, tool)))
      return this.refuse({ reason: "no_such_tool", description: "this server has no tool of that name" });
    if (tools.every((tool) => access.allows(tool))) return undefined;
    // The whole set, also what is granted already: clients ask for exactly what a challenge names.
    return this.refuse({ reason: "insufficient_scope", scope: this.#unitsOf([...access.tools, ...tools]).join(" ") });
  }

  /** Answers a refusal, with a fresh nonce where nonces are demanded. */
  async refuse(refusal: Refusal): Promise<Response> {
    const response = renderRefusal(refusal, this.#terms);
    const nonce = await this.#nonces?.fresh(Math.floor(Date.now() / 1000));
    if (nonce !== undefined) response.headers.set("dpop-nonce", nonce);
    return response;
  }

  /**
   * A `fetch` handler behind this guard.
   *
   * @param needs the tools that a request calls, told before it is handled
   */
  protect(
    needs: (request: Request) => readonly string[],
    handle: (request: Request, access: Access) => Response | Promise<Response>,
  ): (request: Request) => Promise<Response> {
    return async (request) => {
      const metadata = this.metadata(request);
      if (metadata !== undefined) return metadata;
      const access = await this.authorize(request, needs(request));
      return access instanceof Response ? access : handle(request, access);
    };
  }

  /** The checks, from the cheapest on; the proof is used up last, when all else holds. */
  async #judge(request: Request, now: number): Promise<Refusal | { readonly access: Access }> {
    const url = new URL(request.url);
    const { origin } = this.#resource;
    const from = request.headers.get("origin");
    if (from !== null && from !== origin && this.#options.origins?.includes(from) !== true)
      return { reason: "foreign_origin", description: "pages of this origin may not call this server" };
    if (url.searchParams.has("access_token"))
      return { reason: "token_in_query", description: "an access token belongs into the Authorization header" };
    // The Host header decides nothing: what counts is the path, at the origin that is configured.
    const expected = new URL(origin + url.pathname);
    if (!isWithin(this.#resource, expected))
      return { reason: "malformed", description: "this address is not part of the protected resource" };
    const presented = /^(DPoP|Bearer) ([A-Za-z0-9._-]+)$/i.exec(request.headers.get("authorization") ?? "");
    if (presented === null) return { reason: "no_token" };
    const token = presented[2]!;
    const bearer = presented[1]!.toLowerCase() === "bearer";
    if (bearer && this.#options.allowBearer !== true)
      return { reason: "invalid_token", description: "send the access token as Authorization: DPoP" };
    const proof = bearer ? undefined : await this.#proofIn(request, expected.href, token, now);
    if (proof !== undefined && "reason" in proof) return proof;
    const statement = await this.#check.check(token, now);
    if (statement === "unavailable") return { reason: "unavailable" };
    if (statement === "inactive" || !this.#isForUs(statement, now))
      return { reason: "invalid_token", description: "the access token is not valid here" };
    // RFC 9449 §7.2: a bound token is nothing without its key, and another is none to prove a key for.
    const bound = statement["cnf"] as { jkt?: unknown } | undefined;
    if (proof === undefined && bound !== undefined)
      return { reason: "invalid_token", description: "the access token is bound to a key" };
    if (proof !== undefined && bound?.jkt !== proof.jkt) return { reason: "invalid_dpop_proof" };
    const isNew = proof === undefined || (await this.#isNew(proof));
    if (isNew === undefined) return { reason: "unavailable" };
    if (!isNew) return { reason: "invalid_dpop_proof" };
    return { access: new Access(token, statement, this.#options.server, this.#stint) };
  }

  async #proofIn(request: Request, url: string, accessToken: string, now: number): Promise<Proof | Refusal> {
    const { method, headers } = request;
    const nonces = this.#nonces;
    const isGoodNonce = nonces === undefined ? undefined : (nonce: unknown) => nonces.isGood(nonce, now);
    const proof = await verifyProof(headers.get("dpop") ?? "", { method, url, accessToken, now, isGoodNonce });
    return typeof proof === "string" ? { reason: proof } : proof;
  }

  /** Undefined where nobody can tell. */
  async #isNew({ oneTime }: Proof): Promise<boolean | undefined> {
    try {
      return await this.#once.use(oneTime.key, oneTime.rememberUntil);
    } catch {
      return undefined;
    }
  }

  /** Issuer, audience and time, whoever vouches for the rest. */
  #isForUs({ iss, aud, exp, nbf }: Statement, now: number): boolean {
    const { issuer, resource } = this.#options;
    return (
      iss === issuer &&
      aud === resource &&
      typeof exp === "number" &&
      exp > now &&
      (nbf === undefined || Number(nbf) <= now)
    );
  }

  /** Tools as units of access: `mcp:{server}:{tool}`, and what they need beyond. */
  #unitsOf(names: readonly string[]): string[] {
    const { server, tools } = this.#options;
    const units = names.flatMap((name) => {
      const tool = Object.hasOwn(tools, name) ? tools[name] : undefined;
      return [`mcp:${server}:${name}`, ...(typeof tool === "object" ? tool.upstream : [])];
    });
    return [...new Set(units)];
  }
}

function accessOf(tool: Tool): "read" | "write" {
  return typeof tool === "string" ? tool : tool.access;
}

function pathOf({ pathname }: URL): string {
  return pathname === "/" ? "" : pathname;
}
