import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { shippedCatalogue } from "../catalogues/index.ts";
import type { Json } from "../domain/canonical-json.ts";
import { readAuthorizationDetails } from "./authorization-details.ts";
import { readTenantDocument } from "./tenant-document.ts";

const page = readFileSync("docs/limits.md", "utf8");
const [catalogue, detail] = [...page.matchAll(/```json\n([^]*?)```/g)].map(
  ([, text]) => JSON.parse(text ?? "") as Json,
);

it("docs/limits.md shows a catalogue and limits that are taken as they stand", () => {
  const upstream = {
    id: "api",
    connector: "api_key",
    base_url: "https://api.linear.app",
    api_key: { secret: "KEY" },
    catalogue: catalogue as never,
  };
  const issuer = "https://stint.acme.example";
  const setting = { issuer, shipped: shippedCatalogue, allowPrivateNetwork: false };
  expect(readTenantDocument({ issuer, upstreams: [upstream] }, setting)).toMatchObject({ ok: true });
  expect(readAuthorizationDetails([detail!])).toEqual({ ok: true, value: [detail] });
});
