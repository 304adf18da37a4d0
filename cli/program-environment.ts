/** How programs are told of an upstream: which variables hold its address, and which a token. */
interface KnownVariables {
  /** Each with what follows the base address. */
  readonly urls: Readonly<Record<string, string>>;
  readonly tokens: readonly string[];
}

/** By the catalogue's name. An upstream is known by it when its id is that name, or begins with it and a hyphen. */
const KNOWN: Readonly<Record<string, KnownVariables>> = {
  github: {
    urls: { GITHUB_API_URL: "", GITHUB_GRAPHQL_URL: "/graphql" },
    tokens: ["GITHUB_TOKEN", "GH_TOKEN"],
  },
  linear: { urls: { LINEAR_API_URL: "/graphql" }, tokens: ["LINEAR_API_KEY"] },
  notion: { urls: { NOTION_API_URL: "" }, tokens: ["NOTION_TOKEN", "NOTION_API_KEY"] },
  slack: { urls: { SLACK_API_URL: "/" }, tokens: ["SLACK_TOKEN", "SLACK_BOT_TOKEN"] },
  stripe: { urls: { STRIPE_API_BASE: "" }, tokens: ["STRIPE_API_KEY", "STRIPE_SECRET_KEY"] },
  gmail: { urls: { GMAIL_API_URL: "" }, tokens: [] },
  "google-calendar": { urls: { GOOGLE_CALENDAR_API_URL: "" }, tokens: [] },
  "google-drive": { urls: { GOOGLE_DRIVE_API_URL: "" }, tokens: [] },
};

/** Many programs refuse to start without a token; this one opens nothing. It also hides a real one of the user's. */
export const PLACEHOLDER = "held-by-stint";
const LOOPBACK = ["127.0.0.1", "localhost"];

/** `STINT_UPSTREAM_GITHUB_URL`; two upstreams may have the same. */
export function variableOf(upstream: string): string {
  return `STINT_UPSTREAM_${upstream.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}_URL`;
}

/**
 * The environment of a program that runs under a session: the addresses of what was granted, no
 * credential, and nothing of Stint's own.
 */
export function programEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  upstreams: readonly string[],
  baseOf: (upstream: string) => string,
): Record<string, string> {
  const kept = Object.entries(own).filter(([name, value]) => !name.startsWith("STINT_") && value !== undefined);
  const environment = Object.fromEntries(kept) as Record<string, string>;
  for (const upstream of upstreams) {
    environment[variableOf(upstream)] = baseOf(upstream);
    const name = nameOf(upstream);
    // Two accounts at one service: a variable cannot say which is meant.
    const known = upstreams.filter((other) => nameOf(other) === name).length === 1 ? KNOWN[name ?? ""] : undefined;
    for (const [name, suffix] of Object.entries(known?.urls ?? {})) environment[name] = baseOf(upstream) + suffix;
    for (const name of known?.tokens ?? []) environment[name] = PLACEHOLDER;
  }
  // A proxy of the user's would be told the secret address, and could not reach it.
  const direct = [own["NO_PROXY"] ?? own["no_proxy"], ...LOOPBACK].filter((part) => part !== undefined && part !== "");
  return { ...environment, NO_PROXY: direct.join(","), no_proxy: direct.join(",") };
}

function nameOf(upstream: string): string | undefined {
  return Object.keys(KNOWN).find((name) => upstream === name || upstream.startsWith(`${name}-`));
}
