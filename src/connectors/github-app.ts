import * as z from "zod/v4";
import { importPem, signPemJwt } from "../crypto/pem-jwt.ts";
import type { UpstreamAccess } from "../domain/access.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Catalogue } from "../domain/tenant.ts";
import type { GithubAppUpstream } from "../domain/upstream.ts";
import { unanswered, type Connector, type ConnectorContext, type ConnectorFault, type Minted } from "./connector.ts";
import type { TextResponse } from "./outbound.ts";

const DEADLINE_MS = 10_000;
/** The answer describes each repository at length, some 6 KB; GitHub narrows to at most 500. */
const MAX_ANSWER_BYTES = 4 * 1_048_576;
/** GitHub takes at most 10 minutes; the start lies back for its clock. */
const APP_JWT_LIFETIME_SECONDS = 120;
/** The upstream lets none of its tokens live longer. */
const LONGEST_SECONDS = 3600;
const CLOCK_SKEW_SECONDS = 30;
const STRENGTH = ["none", "read", "write", "admin"];

const HEADERS = { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28", "user-agent": "stint" };

const installationToken = z.object({
  token: z.string().min(1),
  expires_at: z.iso.datetime({ offset: true }),
  permissions: z.record(z.string(), z.string()).optional(),
  repositories: z.array(z.object({ full_name: z.string() })).optional(),
});

/** What GitHub's own token is narrowed to. */
interface Narrowed {
  readonly repositories: readonly string[];
  readonly permissions: Readonly<Record<string, string>>;
}

/**
 * A GitHub App: for each session an installation token of its own, narrowed by GitHub itself to the
 * granted repositories and permissions. Minted by a plain call, never from a cache, so that two
 * sessions cannot share one.
 */
export const githubApp: Connector<GithubAppUpstream> = {
  async mint(request) {
    const { upstream, catalogue, access } = request;
    const narrowed = narrowTo(access, catalogue);
    // GitHub reads an empty list as "no narrowing", so what names none would hold the whole installation.
    if (narrowed.repositories.length === 0) return err({ kind: "misconfigured", missing: "locations" });
    if (Object.keys(narrowed.permissions).length === 0) return err({ kind: "misconfigured", missing: "permissions" });
    const jwt = await appJwt(request);
    if (!jwt.ok) return jwt;
    const answer = await request.outbound.text({
      url: `${upstream.base_url}/app/installations/${upstream.installation_id}/access_tokens`,
      method: "POST",
      headers: { ...HEADERS, authorization: `Bearer ${jwt.value}`, "content-type": "application/json" },
      body: JSON.stringify({
        repositories: narrowed.repositories.map((name) => name.slice(name.indexOf("/") + 1)),
        permissions: narrowed.permissions,
      }),
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
    if (!answer.ok) return err(unanswered(answer.error));
    if (answer.value.status !== 201) return err(refusal(answer.value));
    const minted = readToken(answer.value.text);
    if (minted === undefined) return err({ kind: "answer_lost" });
    return isWithin(minted, narrowed) ? ok(toMinted(minted)) : err({ kind: "too_wide", minted: toMinted(minted) });
  },

  async revoke({ upstream, handle, outbound }) {
    const answer = await outbound.text({
      url: `${upstream.base_url}/installation/token`,
      method: "DELETE",
      headers: { ...HEADERS, authorization: `Bearer ${handle}` },
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
    if (!answer.ok) return err({ kind: "upstream_unavailable" });
    // 401: the token is dead already, which is all that is wanted.
    return answer.value.status === 204 || answer.value.status === 401 ? ok("revoked") : err(refusal(answer.value));
  },

  narrowing: () => "upstream",

  describe: () => ({
    credential: "per_session",
    orphans: "possible",
    longestSeconds: LONGEST_SECONDS,
    ends: "revocable",
  }),
};

/** The repositories and permissions that a grant comes to. Where operations differ, the stronger permission covers both. */
function narrowTo(access: readonly UpstreamAccess[], catalogue: Catalogue): Narrowed {
  const permissions: Record<string, string> = {};
  for (const action of access.flatMap(({ actions }) => actions)) {
    for (const [name, level] of Object.entries(catalogue.operations[action]?.permissions ?? {})) {
      if (strengthOf(level) > strengthOf(permissions[name])) permissions[name] = level;
    }
  }
  return { repositories: [...new Set(access.flatMap(({ locations }) => locations ?? []))], permissions };
}

/**
 * Whether the token holds no more than was asked: an upstream that ignores the narrowing must not go
 * unnoticed. GitHub leaves the repositories out when a token holds them all, so silence is not "none".
 */
function isWithin({ permissions, repositories }: z.infer<typeof installationToken>, asked: Narrowed): boolean {
  if (permissions === undefined || repositories === undefined) return false;
  const wider = Object.entries(permissions).some(
    // GitHub adds `metadata: read` to every token.
    ([name, level]) =>
      strengthOf(level) >
      strengthOf(name === "metadata" ? (asked.permissions[name] ?? "read") : asked.permissions[name]),
  );
  const names = asked.repositories.map((name) => name.toLowerCase());
  return !wider && repositories.every(({ full_name }) => names.includes(full_name.toLowerCase()));
}

function strengthOf(level: string | undefined): number {
  return level === undefined ? 0 : STRENGTH.indexOf(level) === -1 ? STRENGTH.length : STRENGTH.indexOf(level);
}

async function appJwt({
  upstream,
  readSecret,
  now,
}: ConnectorContext<GithubAppUpstream>): Promise<Result<string, ConnectorFault>> {
  const name = upstream.private_key.secret;
  const pem = await readSecret(name);
  if (pem === undefined) return err({ kind: "misconfigured", missing: name });
  const key = await importPem(pem);
  // GitHub takes RS256 alone.
  if (key?.alg !== "RS256") return err({ kind: "misconfigured", missing: name });
  const { app_id: iss } = upstream;
  const times = { iat: now - CLOCK_SKEW_SECONDS, exp: now + APP_JWT_LIFETIME_SECONDS };
  return ok(await signPemJwt(key, { iss, ...times }));
}

function readToken(text: string): z.infer<typeof installationToken> | undefined {
  try {
    return installationToken.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function toMinted({ token, expires_at }: z.infer<typeof installationToken>): Minted {
  return {
    credential: { kind: "header", header: "authorization", value: `Bearer ${token}` },
    handle: token,
    ends: "revocable",
    expiresAt: Math.floor(Date.parse(expires_at) / 1000),
  };
}

function refusal({ status, headers }: TextResponse): ConnectorFault {
  // Over its rate limit GitHub answers 403 as well as 429, and says so in a header.
  const isLimited =
    status === 429 || (status === 403 && (headers.has("retry-after") || headers.get("x-ratelimit-remaining") === "0"));
  return status >= 500 || isLimited ? { kind: "upstream_unavailable" } : { kind: "upstream_refused", status };
}
