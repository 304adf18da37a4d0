import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parse } from "smol-toml";

/** What plain workerd is told, apart from what wrangler.toml already says. */
export interface WorkerdSettings {
  readonly bundle: string;
  readonly dataPath: string;
  readonly host: string;
  readonly port: number;
  readonly allowPrivateNetwork: boolean;
  /** Certificates of authorities, in PEM, that are trusted beside those that browsers trust. */
  readonly extraAuthorities: readonly string[];
  /** Bindings whose values may stand in a file. */
  readonly vars: Readonly<Record<string, string>>;
  /** Bindings whose values come from the child's environment, and so are on no disk. */
  readonly secrets: readonly string[];
}

interface WranglerConfig {
  readonly compatibility_date: string;
  readonly compatibility_flags?: readonly string[];
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
}

/** Flags that only Cloudflare's own network understands. */
const NOT_FOR_PLAIN_WORKERD = new Set(["global_fetch_strictly_public"]);

/**
 * Writes workerd's configuration (Cap'n Proto text) for the same worker, with the same compatibility
 * date and object classes as wrangler.toml, and its objects on the local disk.
 */
export function workerdConfig(root: string, settings: WorkerdSettings): string {
  const wrangler = parse(readFileSync(join(root, "wrangler.toml"), "utf8")) as unknown as WranglerConfig;
  const flags = (wrangler.compatibility_flags ?? []).filter((flag) => !NOT_FOR_PLAIN_WORKERD.has(flag));
  const classes = wrangler.durable_objects.bindings;
  const bindings = [
    ...classes.map(
      ({ name, class_name }) => `(name = ${text(name)}, durableObjectNamespace = (className = ${text(class_name)}))`,
    ),
    ...Object.entries(settings.vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...settings.secrets.map((name) => `(name = ${text(name)}, fromEnvironment = ${text(name)})`),
  ];
  const authorities = settings.extraAuthorities.map(text);
  const tls = [
    "trustBrowserCas = true",
    ...(authorities.length === 0 ? [] : [`trustedCertificates = [${authorities.join(", ")}]`]),
  ];
  const allow = settings.allowPrivateNetwork ? ["public", "private"] : ["public"];
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .stint),
    (name = "objects", disk = (path = ${text(join(settings.dataPath, "objects"))}, writable = true)),
    (name = "internet", network = (allow = [${allow.map(text).join(", ")}], tlsOptions = (${tls.join(", ")})))
  ],
  sockets = [(name = "http", address = ${text(`${settings.host}:${settings.port}`)}, http = (), service = "main")]
);

const stint :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed ${text(relative(settings.dataPath, settings.bundle))})],
  compatibilityDate = ${text(wrangler.compatibility_date)},
  compatibilityFlags = [${flags.map(text).join(", ")}],
  bindings = [
    ${bindings.join(",\n    ")}
  ],
  durableObjectNamespaces = [
    ${classes.map(({ class_name }) => `(className = ${text(class_name)}, uniqueKey = ${text(`stint-${class_name}`)}, enableSql = true)`).join(",\n    ")}
  ],
  durableObjectStorage = (localDisk = "objects"),
  globalOutbound = "internet"
);
`;
}

/** A Cap'n Proto text literal. */
function text(value: string): string {
  return `"${value.replaceAll(/[\\"]/g, "\\$&").replaceAll(/[^\x20-\x7e]/g, (char) => [...Buffer.from(char)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""))}"`;
}
