import { shippedCatalogue } from "./catalogues/index.ts";
import { connectorFor } from "./connectors/index.ts";
import { createOutbound, type Outbound } from "./connectors/outbound.ts";
import { environmentSecret, readKeks, requireConfig, type BrokerConfig } from "./config.ts";
import type { KekRing } from "./crypto/kek.ts";
import { seal, sealedVersion, unseal, type SealContext } from "./crypto/seal.ts";
import {
  currentKey,
  generateSigningKeys,
  KEY_USES,
  openSigningKey,
  type KeyUse,
  type SigningKey,
} from "./crypto/signing-key.ts";
import { compileTenant, type CompiledTenant } from "./domain/compiled-tenant.ts";
import { newTenantKey, openVault, type Vault } from "./crypto/vault.ts";
import type { CutOffs } from "./domain/cut-off.ts";
import type { NarrowingAt } from "./domain/labels.ts";
import { objectName } from "./domain/ids.ts";
import { log } from "./log.ts";
import type { DeliveryContext } from "./notify/notice.ts";
import type { TenantDocument } from "./domain/tenant.ts";
import { inForce, type KnownDefinitions, type ServerDefinitions } from "./domain/tool-definitions.ts";
import { tenantDocumentSchema } from "./protocol/tenant/schema.ts";
import type { TenantSnapshot } from "./durable/tenant-snapshot.ts";

/** How old an isolate's picture of a tenant may be: the bound of a kill switch for what an object has not been told. */
const SNAPSHOT_LIFETIME_MS = 5000;

/** Everything an isolate knows about one tenant. */
export interface TenantContext {
  readonly issuer: string;
  readonly config: BrokerConfig;
  readonly revision: number;
  readonly configVersion: number;
  readonly tenant: CompiledTenant;
  readonly keys: readonly SigningKey[];
  /** What handles, nonces and codes are derived from. */
  readonly root: Uint8Array;
  /** What seals and opens what the tenant keeps. */
  readonly vault: Vault;
  readonly cutOffs: CutOffs;
  /** Whether so much waits for the ledger that nothing may be minted. */
  readonly isLedgerBehind: boolean;
  /** What counts of the tool definitions of each server, and what is written down of them. */
  readonly servers: { readonly [server: string]: ServerDefinitions };
  readonly knownServers: { readonly [server: string]: KnownDefinitions };
}

interface Cached {
  readonly context: TenantContext;
  readonly loadedAtMs: number;
}

const cache = new Map<string, Cached>();

/** The tenant at an issuer, at most five seconds old. Creates a new tenant's keys at first use. */
export async function loadTenant(env: Env, issuer: string): Promise<TenantContext> {
  const known = cache.get(issuer);
  if (known !== undefined && Date.now() - known.loadedAtMs < SNAPSHOT_LIFETIME_MS && Date.now() >= known.loadedAtMs) {
    return known.context;
  }
  const loadedAtMs = Date.now();
  const context = await refresh(env, issuer, known?.context);
  cache.set(issuer, { context, loadedAtMs });
  return context;
}

/** Makes this isolate look again at its next request: called after a change that went through it. */
export function forgetTenant(issuer: string): void {
  cache.delete(issuer);
}

async function refresh(env: Env, issuer: string, known: TenantContext | undefined): Promise<TenantContext> {
  const object = env.TENANT.getByName(objectName(issuer));
  let snapshot = await object.snapshot(known?.revision);
  // What a signature made count ends by its time, though nothing was written.
  if (snapshot === undefined && known !== undefined)
    return { ...known, servers: serversInForce(known.tenant, known.knownServers) };
  const ring = await requireKeks(env);
  if (snapshot?.tenantKeys.length === 0) {
    const { current } = ring;
    const first = (["derive", "seal"] as const).map((purpose) => newTenantKey(current, issuer, purpose, 1));
    await object.adoptTenantKeys(await Promise.all(first));
    snapshot = await object.snapshot();
  }
  if (snapshot === undefined) throw new Error("a tenant without a snapshot");
  const vault = await openTenantKeys(ring, issuer, snapshot);
  const missing = KEY_USES.filter((use) => snapshot?.keys.every((key) => key.use !== use) ?? true);
  if (missing.length > 0) {
    const now = Math.floor(Date.now() / 1000);
    await object.adoptKeys(issuer, await generateSigningKeys(vault, issuer, missing, now));
    snapshot = await object.snapshot();
  }
  if (snapshot === undefined) throw new Error("a tenant without a snapshot");
  return open(requireConfig(env), issuer, snapshot, vault);
}

/** The key-encryption keys, or a fault that the operator finds in the log. */
export async function requireKeks(env: Env): Promise<KekRing> {
  const ring = await readKeks(env);
  if (ring.ok) return ring.value;
  log("config.invalid", { reason: ring.error });
  throw new Error("the key-encryption key is not to be had");
}

/** Opens a tenant's own keys. That they do not open is the operator's to mend, and never a reason to make others. */
async function openTenantKeys(ring: KekRing, issuer: string, { tenantKeys }: TenantSnapshot): Promise<Vault> {
  const opened = await openVault(ring, issuer, tenantKeys);
  if ("vault" in opened) return opened.vault;
  const held = [ring.current.id, ...(ring.old === undefined ? [] : [ring.old.id])].join(" and ");
  log("tenant.keys_do_not_open", {
    issuer,
    reason: `this tenant's data needs ${opened.unknown_kek}; STINT_KEK and STINT_KEK_OLD hold ${held}`,
  });
  throw new Error("the tenant's keys do not open");
}

async function open(
  config: BrokerConfig,
  issuer: string,
  snapshot: TenantSnapshot,
  vault: Vault,
): Promise<TenantContext> {
  // Read by the schema again: what was stored before a member existed gets that member's default.
  const document: TenantDocument = tenantDocumentSchema.parse(
    snapshot.document === undefined ? { issuer } : JSON.parse(snapshot.document),
  );
  const { tenant } = compileTenant(document, shippedCatalogue, snapshot.absences);
  return {
    issuer,
    config,
    revision: snapshot.revision,
    configVersion: snapshot.configVersion,
    tenant,
    keys: await Promise.all(snapshot.keys.map((key) => openSigningKey(vault, issuer, key))),
    root: vault.root,
    vault,
    cutOffs: snapshot.cutOffs,
    isLedgerBehind: snapshot.isLedgerBehind,
    servers: serversInForce(tenant, snapshot.servers),
    knownServers: snapshot.servers,
  };
}

function serversInForce(tenant: CompiledTenant, known: TenantContext["knownServers"]): TenantContext["servers"] {
  const now = Math.floor(Date.now() / 1000);
  return Object.fromEntries(
    [...tenant.servers.values()].flatMap((server) => {
      const definitions = Object.hasOwn(known, server.id) ? known[server.id] : undefined;
      return definitions === undefined ? [] : [[server.id, inForce(definitions, server, now)] as const];
    }),
  );
}

/** The key that signs a kind of token now: the newest of its use. */
export function signingKey(context: TenantContext, use: KeyUse): SigningKey {
  const key = currentKey(context.keys, use, Math.floor(Date.now() / 1000));
  if (key === undefined) throw new Error(`the tenant has no key for ${use}`);
  return key;
}

/** Opens a sealed value. A key that this isolate has not heard of yet is asked for first. */
export async function openSealed(env: Env, context: SealContext, sealed: string): Promise<string | undefined> {
  const { vault } = await loadTenant(env, context.issuer);
  if (vault.keys.has(sealedVersion(sealed) ?? 0)) return unseal(vault, context, sealed);
  forgetTenant(context.issuer);
  return unseal((await loadTenant(env, context.issuer)).vault, context, sealed);
}

/** Reads a secret that the tenant's document refers to: from the sealed store, else from the environment. */
export async function readSecret(env: Env, issuer: string, name: string): Promise<string | undefined> {
  const sealed = await env.TENANT.getByName(objectName(issuer)).sealedSecret(name);
  if (sealed === undefined) return environmentSecret(env, issuer, name);
  return openSealed(env, { issuer, kind: "secret", name }, sealed);
}

/** Seals a secret under its name, for {@link openSealed}. */
export async function sealSecret(env: Env, issuer: string, name: string, value: string): Promise<string> {
  const { vault } = await loadTenant(env, issuer);
  return seal(vault, { issuer, kind: "secret", name }, value);
}

/** Puts a secret into the sealed store. Nothing readable ever comes back out of it. */
export async function storeSecret(env: Env, issuer: string, name: string, value: string): Promise<void> {
  const sealed = await sealSecret(env, issuer, name, value);
  await env.TENANT.getByName(objectName(issuer)).putSecret(name, sealed);
}

/** The one way out, with this tenant's leave. */
export function outboundOf({ config }: TenantContext): Outbound {
  return createOutbound({ allowPrivateNetwork: config.allowPrivateNetwork, ownOrigins: config.origins });
}

/** Who enforces a grant at an upstream: its connector knows. */
export const narrowingAt: NarrowingAt = ({ upstream }, operations) =>
  connectorFor(upstream).narrowing(upstream, operations);

/** Whether the upstream lets what it gave be taken back: its connector knows. */
export function isTakenBackAt({ upstreams }: CompiledTenant): (upstream: string) => boolean {
  return (id) => {
    const upstream = upstreams.get(id)?.upstream;
    return upstream !== undefined && connectorFor(upstream).describe(upstream).ends === "revocable";
  };
}

/** What an operator should know of each upstream's credentials. */
export function describeUpstreams({ tenant }: TenantContext) {
  return [...tenant.upstreams.values()].map(({ upstream }) => {
    const { id, connector } = upstream;
    const { credential, ends } = connectorFor(upstream).describe(upstream);
    return { id, connector, credential, ends };
  });
}

/** What a message of this tenant may use to go out. */
export function deliveryContextOf(env: Env, context: TenantContext): DeliveryContext {
  return {
    notify: context.tenant.document.notify,
    outbound: outboundOf(context),
    allowPrivateNetwork: context.config.allowPrivateNetwork,
    readSecret: (name) => readSecret(env, context.issuer, name),
  };
}
