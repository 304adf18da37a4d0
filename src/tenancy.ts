import { shippedCatalogue } from "./catalogues/index.ts";
import { createOutbound, type Outbound } from "./connectors/outbound.ts";
import { environmentSecret, requireConfig, type BrokerConfig } from "./config.ts";
import { seal, unseal } from "./crypto/seal.ts";
import {
  currentKey,
  generateSigningKeys,
  KEY_USES,
  openSigningKey,
  type KeyUse,
  type SigningKey,
} from "./crypto/signing-key.ts";
import { compileTenant, type CompiledTenant } from "./domain/compiled-tenant.ts";
import type { CutOffs } from "./domain/cut-off.ts";
import { objectName } from "./domain/ids.ts";
import { log } from "./log.ts";
import type { DeliveryContext } from "./notify/notice.ts";
import type { TenantDocument } from "./domain/tenant.ts";
import { tenantDocumentSchema } from "./protocol/tenant-document.ts";
import type { TenantSnapshot } from "./durable/tenant.ts";

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
  readonly cutOffs: CutOffs;
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
  if (snapshot === undefined && known !== undefined) return known;
  const { kek } = requireConfig(env);
  const missing = KEY_USES.filter((use) => snapshot?.keys.every((key) => key.use !== use) ?? true);
  if (missing.length > 0) {
    const now = Math.floor(Date.now() / 1000);
    await object.adoptKeys(issuer, await generateSigningKeys(kek, issuer, missing, now));
    snapshot = await object.snapshot();
  }
  if (snapshot === undefined) throw new Error("a tenant without a snapshot");
  return open(requireConfig(env), issuer, snapshot);
}

async function open(config: BrokerConfig, issuer: string, snapshot: TenantSnapshot): Promise<TenantContext> {
  // Read by the schema again: what was stored before a member existed gets that member's default.
  const document: TenantDocument = tenantDocumentSchema.parse(
    snapshot.document === undefined ? { issuer } : JSON.parse(snapshot.document),
  );
  return {
    issuer,
    config,
    revision: snapshot.revision,
    configVersion: snapshot.configVersion,
    tenant: compileTenant(document, shippedCatalogue, snapshot.absences).tenant,
    keys: await openKeys(config, issuer, snapshot),
    cutOffs: snapshot.cutOffs,
  };
}

/** Opens the stored keys. That they do not open is the operator's to mend, and never a reason to make others. */
async function openKeys(config: BrokerConfig, issuer: string, { keys }: TenantSnapshot): Promise<SigningKey[]> {
  try {
    return await Promise.all(keys.map((key) => openSigningKey(config.kek, issuer, key)));
  } catch (fault) {
    log("tenant.keys_do_not_open", {
      issuer,
      reason: "STINT_KEK is not the key that this tenant's data was sealed under",
    });
    throw fault;
  }
}

/** The key that signs a kind of token now: the newest of its use. */
export function signingKey(context: TenantContext, use: KeyUse): SigningKey {
  const key = currentKey(context.keys, use, Math.floor(Date.now() / 1000));
  if (key === undefined) throw new Error(`the tenant has no key for ${use}`);
  return key;
}

/** Reads a secret that the tenant's document refers to: from the sealed store, else from the environment. */
export async function readSecret(env: Env, issuer: string, name: string): Promise<string | undefined> {
  const sealed = await env.TENANT.getByName(objectName(issuer)).sealedSecret(name);
  if (sealed === undefined) return environmentSecret(env, issuer, name);
  return unseal(requireConfig(env).kek, { issuer, kind: "secret", name }, sealed);
}

/** Puts a secret into the sealed store. Nothing readable ever comes back out of it. */
export async function storeSecret(env: Env, issuer: string, name: string, value: string): Promise<void> {
  const sealed = await seal(requireConfig(env).kek, { issuer, kind: "secret", name }, value);
  await env.TENANT.getByName(objectName(issuer)).putSecret(name, sealed);
}

/** The one way out, with this tenant's leave. */
export function outboundOf({ config }: TenantContext): Outbound {
  return createOutbound({ allowPrivateNetwork: config.allowPrivateNetwork, ownOrigins: config.origins });
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
