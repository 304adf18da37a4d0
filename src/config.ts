import { Buffer } from "node:buffer";
import { err, ok, type Result } from "./domain/result.ts";

/** What the deployment sets, read and checked once. */
export interface BrokerConfig {
  /** The tenants' issuers. The Host header only selects among these. */
  readonly origins: readonly string[];
  /** The key-encryption key; everything sealed, and every derived key, hangs on it. */
  readonly kek: Uint8Array;
  /** What each tenant's admin token is derived from. */
  readonly adminKey: Uint8Array;
  /** For each issuer, the secrets it may read from the environment. */
  readonly envSecrets: ReadonlyMap<string, readonly string[]>;
  /** Whether upstreams on loopback and private networks may be called. Never in production. */
  readonly allowPrivateNetwork: boolean;
}

const KEY_BYTES = 32;

const read = new WeakMap<object, Result<BrokerConfig, string>>();

/**
 * Reads the environment, the only place that does. Fails closed: a deployment with a missing or
 * malformed key answers 503 to everything, and the reason (which names no value) goes to the log.
 */
export function readConfig(env: Env): Result<BrokerConfig, string> {
  let config = read.get(env);
  if (config === undefined) {
    config = parseConfig(env);
    read.set(env, config);
  }
  return config;
}

/** As {@link readConfig}, for objects, which are only reached through a worker that could read it. */
export function requireConfig(env: Env): BrokerConfig {
  const config = readConfig(env);
  if (!config.ok) throw new Error(config.error);
  return config.value;
}

/** A secret of the environment, if this tenant was given it by name. */
export function environmentSecret(env: Env, issuer: string, name: string): string | undefined {
  if (!requireConfig(env).envSecrets.get(issuer)?.includes(name)) return undefined;
  const value = (env as unknown as Record<string, unknown>)[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function parseConfig(env: Env): Result<BrokerConfig, string> {
  const kek = decodeKey(env.STINT_KEK);
  const adminKey = decodeKey(env.STINT_ADMIN_KEY);
  if (kek === undefined) return err("STINT_KEK must be 32 bytes in base64url");
  if (adminKey === undefined) return err("STINT_ADMIN_KEY must be 32 bytes in base64url");
  if (Buffer.from(kek).equals(adminKey)) return err("STINT_KEK and STINT_ADMIN_KEY must differ");
  const origins = (env.STINT_ORIGINS ?? "").split(" ").filter((origin) => origin !== "");
  if (origins.length === 0) return err("STINT_ORIGINS names no tenant");
  const wrong = origins.find((origin) => !isIssuer(origin));
  if (wrong !== undefined) return err(`STINT_ORIGINS: ${wrong} is not an https origin, or http on loopback`);
  const envSecrets = parseEnvSecrets(env.STINT_ENV_SECRETS ?? "{}");
  if (envSecrets === undefined) return err("STINT_ENV_SECRETS must be a JSON object of issuer to names");
  return ok({
    origins,
    kek,
    adminKey,
    envSecrets,
    allowPrivateNetwork: env.STINT_ALLOW_PRIVATE_NETWORK === "true",
  });
}

/** An origin without path: https, or http where nobody else can listen in. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const loopback = url.hostname === "localhost" || url.hostname.endsWith(".localhost") || url.hostname === "127.0.0.1";
  return url.origin === text && (url.protocol === "https:" || (url.protocol === "http:" && loopback));
}

function decodeKey(text: unknown): Uint8Array | undefined {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(text)) return undefined;
  const key = Buffer.from(text, "base64url");
  // All the same byte is a placeholder, not a key.
  return key.length === KEY_BYTES && !key.every((byte) => byte === key[0]) ? key : undefined;
}

function parseEnvSecrets(text: string): Map<string, string[]> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const entries = Object.entries(parsed).map(([issuer, names]) => [issuer, Array.isArray(names) ? names : []] as const);
  return new Map(
    entries.map(([issuer, names]) => [
      issuer,
      // The broker's own keys are bindings too; no tenant may name them as a secret of its own.
      names.filter((name): name is string => typeof name === "string" && !name.startsWith("STINT_")),
    ]),
  );
}
