import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import { readTenantDocument } from "./tenant-document.ts";

const ISSUER = "https://stint.acme.example";
const page = readFileSync("docs/adding-an-upstream.md", "utf8");
const block = (name: string): unknown =>
  JSON.parse(new RegExp(`\`\`\`json ${name}\n([^]*?)\`\`\``).exec(page)?.[1] ?? "null");

const read = (upstreams: unknown, allowPrivateNetwork = false) =>
  readTenantDocument({ issuer: ISSUER, upstreams } as never, {
    issuer: ISSUER,
    shipped: shippedCatalogue,
    allowPrivateNetwork,
  });

describe("docs/adding-an-upstream.md", () => {
  it("has an upstream for every catalogue that ships, and each can be applied as it stands", () => {
    const upstreams = block("shipped") as { catalogue: string }[];
    expect(read(upstreams)).toMatchObject({ ok: true, value: { warnings: [] } });
    const shipped = readdirSync("src/catalogues")
      .map((file) => file.replace(/\.(?:json|ts)$/, ""))
      .filter((name) => shippedCatalogue(name) !== undefined);
    expect(upstreams.map(({ catalogue }) => catalogue).toSorted()).toEqual(shipped.toSorted());
  });

  it("has one with accounts that people link", () => {
    expect(read([block("account-upstream")], true)).toMatchObject({ ok: true });
  });
});

describe("the tenant document in the documents", () => {
  it("has no member that no page names", () => {
    const pages = ["tenant", "adding-an-upstream", "limits", "mcp"].map((name) =>
      readFileSync(`docs/${name}.md`, "utf8"),
    );
    const members = membersOf(JSON.parse(readFileSync("schema/tenant.schema.json", "utf8")));
    expect(members.size).toBeGreaterThan(100);
    // What JSON Schema and JWK say of themselves.
    const OTHERS = ["$schema", "kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"];
    const unnamed = [...members].filter(
      (member) => !OTHERS.includes(member) && !pages.some((text) => new RegExp(`[\`"*]${member}[\`"*:]`).test(text)),
    );
    expect(unnamed).toEqual([]);
  });
});

/** The names of all members that a JSON Schema describes. */
function membersOf(schema: unknown): Set<string> {
  if (typeof schema !== "object" || schema === null) return new Set();
  const own =
    "properties" in schema && typeof schema.properties === "object" ? Object.keys(schema.properties ?? {}) : [];
  return new Set([...own, ...Object.values(schema).flatMap((inner) => [...membersOf(inner)])]);
}
