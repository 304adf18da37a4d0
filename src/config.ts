import { Buffer } from "node:buffer";
import { importKek, type KekRing } from "./crypto/kek.ts";
import { err, ok, type Result } from "./domain/result.ts";

/** What the deployment sets, read and checked once. */
export interface BrokerConfig {
  /** The tenants' issuers. */
  readonly origins: readonly string[];
  /** Each as a Host header names it, in lower case. The header selects among these and never builds anything. */
  readonly issuerOf: ReadonlyMap<string, string>;
  /** What each tenant's admin token is derived from. */
  readonly adminKey: Uint8Array;
  /** For each issuer, the secrets it may read from the environment. */
  readonly envSecrets: ReadonlyMap<string, readonly string[]>;
  /** Whether upstreams on loopback and private networks may be called. Never in production. */
  readonly allowPrivateNetwork: boolean;
}

const KEY_BYTES = 32;

const read = new WeakMap<object, Result<BrokerConfig, string>>();
const rings = new WeakMap<object, Promise<Result<KekRing, string>>>();

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

/**
 * The key-encryption keys, which live outside the store: texts of the environment (a Worker's secrets,
 * or the key files of a data directory), or bindings to the Secrets Store, which are asked for them.
 * A store that does not answer is asked again the next time.
 */
export function readKeks(env: Env): Promise<Result<KekRing, string>> {
  let ring = rings.get(env);
  if (ring === undefined) {
    ring = openRing(env).then((opened) => {
      if (!opened.ok) rings.delete(env);
      return opened;
    });
    rings.set(env, ring);
  }
  return ring;
}

/** A secret of the environment, if this tenant was given it by name. */
export function environmentSecret(env: Env, issuer: string, name: string): string | undefined {
  if (!requireConfig(env).envSecrets.get(issuer)?.includes(name)) return undefined;
  const value = (env as unknown as Record<string, unknown>)[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function parseConfig(env: Env): Result<BrokerConfig, string> {
  const origins = (env.STINT_ORIGINS ?? "").split(" ").filter((origin) => origin !== "");
  if (origins.length === 0) return err("STINT_ORIGINS names no tenant");
  const wrong = origins.find((origin) => !isIssuer(origin));
  if (wrong !== undefined) return err(`STINT_ORIGINS: ${wrong} is not an https origin, or http on loopback`);
  const adminKey = parseKey("STINT_ADMIN_KEY", env.STINT_ADMIN_KEY, origins);
  if (!adminKey.ok) return adminKey;
  for (const [name, binding] of kekBindings(env)) {
    // What is in a store is judged when it has been read.
    const kek = isStored(binding) ? undefined : parseKek(name, binding, env.STINT_ADMIN_KEY, origins);
    if (kek?.ok === false) return kek;
  }
  const envSecrets = parseEnvSecrets(env.STINT_ENV_SECRETS ?? "{}");
  if (envSecrets === undefined) return err("STINT_ENV_SECRETS must be a JSON object of issuer to names");
  return ok({
    origins,
    // Backwards, so that of two with the same host the first counts.
    issuerOf: new Map(origins.toReversed().flatMap((origin) => hostsOf(origin).map((host) => [host, origin]))),
    adminKey: adminKey.value,
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

/** How a client may write an origin's host: it may leave out the scheme's own port, or not. */
function hostsOf(origin: string): string[] {
  const { host, port, protocol } = new URL(origin);
  return port === "" ? [host, `${host}:${protocol === "https:" ? "443" : "80"}`] : [host];
}

async function openRing(env: Env): Promise<Result<KekRing, string>> {
  const config = readConfig(env);
  if (!config.ok) return config;
  const keks = [];
  for (const [name, binding] of kekBindings(env)) {
    const text = isStored(binding) ? await binding.get().catch(() => undefined) : binding;
    const kek = parseKek(name, text, env.STINT_ADMIN_KEY, config.value.origins);
    if (!kek.ok) return kek;
    keks.push(await importKek(kek.value));
  }
  const [current, old] = keks;
  return current === undefined ? err("STINT_KEK is missing") : ok({ current, old });
}

/** The key that wraps, and the one before it while there is one. */
function kekBindings(env: Env): [name: string, binding: unknown][] {
  const old = (env as { readonly STINT_KEK_OLD?: unknown }).STINT_KEK_OLD;
  const bindings: [string, unknown][] = [["STINT_KEK", env.STINT_KEK]];
  if (old !== undefined && old !== "") bindings.push(["STINT_KEK_OLD", old]);
  return bindings;
}

/** A binding to the Secrets Store. */
function isStored(binding: unknown): binding is { get(): Promise<string> } {
  return typeof binding === "object" && binding !== null && "get" in binding && typeof binding.get === "function";
}

function parseKek(
  name: string,
  text: unknown,
  adminText: string,
  origins: readonly string[],
): Result<Uint8Array, string> {
  return text === adminText ? err(`${name} and STINT_ADMIN_KEY must differ`) : parseKey(name, text, origins);
}

/** A key: 32 random bytes. What nobody drew at random is taken for a test's, and from tests alone. */
function parseKey(name: string, text: unknown, origins: readonly string[]): Result<Uint8Array, string> {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(text))
    return err(`${name} must be 32 bytes in base64url`);
  const key = Buffer.from(text, "base64url");
  // All the same byte is a placeholder, not a key.
  if (key.length !== KEY_BYTES || key.every((byte) => byte === key[0]))
    return err(`${name} must be 32 random bytes in base64url`);
  const isText = key.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (isText && !origins.every(isForTests))
    return err(
      `${name} is readable text, as test keys are; make one with: openssl rand -base64 32 | tr +/ -_ | tr -d =`,
    );
  return ok(key);
}

/** RFC 6761: names that nobody else can reach. */
function isForTests(origin: string): boolean {
  const { hostname } = new URL(origin);
  return hostname === "127.0.0.1" || /(?:^|\.)(?:localhost|test)$/.test(hostname);
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
