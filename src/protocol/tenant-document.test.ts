import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import { readTenantDocument } from "./tenant-document.ts";

const page = readFileSync("docs/tenant.md", "utf8");
const example = () => JSON.parse(/```json\n([^]*?)```/.exec(page)?.[1] ?? "null") as Record<string, never>;

describe("the tenant document", () => {
  it("reads the one in docs/tenant.md, and warns of what link is worth", () => {
    const read = readTenantDocument(example(), "http://localhost:8787", shippedCatalogue);
    expect(read).toMatchObject({ ok: true, value: { warnings: [{ path: "/policies/0/assurance" }] } });
  });

  it("demands passkeys where nothing is said", () => {
    const { policies, ...rest } = example() as Record<string, unknown[]>;
    const [{ assurance: _, ...policy }] = policies as [Record<string, unknown>];
    const read = readTenantDocument(
      { ...rest, policies: [policy] } as never,
      "http://localhost:8787",
      shippedCatalogue,
    );
    expect(read).toMatchObject({
      ok: true,
      value: {
        document: { policies: [{ assurance: "passkey", solo: false }] },
        warnings: [{ message: expect.stringContaining("cannot offer yet") }],
      },
    });
  });

  it("reads an empty tenant, in which nobody may do anything", () => {
    expect(readTenantDocument({ issuer: "https://a.test" }, "https://a.test", shippedCatalogue)).toMatchObject({
      ok: true,
      value: { document: { agents: [], policies: [] } },
    });
  });

  it("says where inside a union something is wrong", () => {
    const document = example() as Record<string, Record<string, unknown>[]>;
    document["upstreams"]![1]!["catalogue"] = {
      operations: { x: { access: "read", title: "X", routes: ["POST /x"] } },
    };
    const read = readTenantDocument(document as never, "http://localhost:8787", shippedCatalogue);
    expect(read).toMatchObject({
      ok: false,
      error: expect.arrayContaining([
        { path: "/upstreams/1/catalogue/operations/x", message: expect.stringContaining("not a read") },
      ]),
    });
  });
});
