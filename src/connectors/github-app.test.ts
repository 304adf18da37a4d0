import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import { ok } from "../domain/result.ts";
import type { Catalogue } from "../domain/tenant.ts";
import type { GithubAppUpstream } from "../domain/upstream.ts";
import { githubApp } from "./github-app.ts";
import type { Outbound, TextRequest } from "./outbound.ts";

const NOW = 1_800_000_000;
const upstream: GithubAppUpstream = {
  id: "github",
  connector: "github_app",
  base_url: "https://api.github.com",
  catalogue: "github",
  app_id: "12345",
  installation_id: "100",
  private_key: { secret: "GITHUB_APP_KEY" },
};
const pem = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .privateKey.export({ type: "pkcs1", format: "pem" })
  .toString();

/** A GitHub that gives one answer to everything, and remembers what it was asked. */
function answering(status: number, body: object, headers: Record<string, string> = {}) {
  const asked: TextRequest[] = [];
  const outbound: Outbound = {
    text(request) {
      asked.push(request);
      return Promise.resolve(ok({ status, headers: new Headers(headers), text: JSON.stringify(body) }));
    },
    stream: () => Promise.reject(new Error("a connector makes calls of its own only")),
  };
  return { asked, context: { upstream, outbound, now: NOW, readSecret: () => Promise.resolve(pem) } };
}

const github = shippedCatalogue("github")!;
const token = (more: object) => ({ token: "ghs_x", expires_at: "2027-01-15T08:00:00Z", ...more });
const READ_API = { type: "upstream_access", upstream: "github", actions: ["issues:read"], locations: ["acme/api"] };
const mint = (hub: ReturnType<typeof answering>, catalogue: Catalogue = github, access: object = READ_API) =>
  githubApp.mint({
    ...hub.context,
    catalogue,
    access: [access as never],
    session: {
      issuer: "https://a.test",
      session_id: "ses_1",
      client_id: "bot",
      sub: "bot",
      expires_at: NOW + 600,
    },
    signAsStint: unused,
    draw: () => Promise.reject(new Error("no accounts here")),
    refresh: unused,
  });
const unused = () => Promise.reject(new Error("not for GitHub"));

describe("an installation token that says too little", () => {
  it.each([
    ["its repositories, which GitHub leaves out when it holds them all", { permissions: { issues: "read" } }],
    ["its permissions", { repositories: [{ full_name: "acme/api" }] }],
  ])("is refused, and handed over to be taken back, when it does not name %s", async (_, said) => {
    const hub = answering(201, token(said));
    const minted = { handle: "ghs_x", ends: "revocable" };
    expect(await mint(hub)).toMatchObject({ ok: false, error: { kind: "too_wide", minted } });
  });
});

describe("what cannot be narrowed is not asked for", () => {
  const operation = { access: "read", title: "See it", routes: ["GET /orgs/:org"] } as const;

  it.each<[string, Catalogue]>([
    ["locations", { operations: { see: { ...operation, permissions: { members: "read" } } } }],
    ["permissions", { operations: { see: { ...operation, location: ":org" } } }],
  ])("without %s", async (missing, catalogue) => {
    const hub = answering(201, token({}));
    const access = {
      ...READ_API,
      actions: ["see"],
      locations: missing === "locations" ? undefined : ["acme/api"],
    };
    expect(await mint(hub, catalogue, access)).toEqual({ ok: false, error: { kind: "misconfigured", missing } });
    expect(hub.asked).toEqual([]);
  });
});

describe("taking a token back", () => {
  it.each<[string, number, Record<string, string>, string]>([
    ["over the hourly limit", 403, { "x-ratelimit-remaining": "0" }, "upstream_unavailable"],
    ["over a secondary limit", 403, { "retry-after": "60" }, "upstream_unavailable"],
    ["over a limit", 429, {}, "upstream_unavailable"],
    ["forbidden", 403, { "x-ratelimit-remaining": "4999" }, "upstream_refused"],
  ])("%s", async (_, status, headers, kind) => {
    const { context } = answering(status, {}, headers);
    expect(await githubApp.revoke({ ...context, handle: "ghs_x" })).toMatchObject({ ok: false, error: { kind } });
  });
});
