import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { authorizationDetailsSchema } from "../src/protocol/authorization-details.ts";
import { sessionRequestSchema } from "../src/protocol/session-request.ts";
import { tenantDocumentSchema } from "../src/protocol/tenant/schema.ts";
import { ROOT } from "./build.ts";

/** The JSON Schemas that are published, from the very schemas that the broker checks with. */
const SCHEMAS = {
  "schema/tenant.schema.json": [tenantDocumentSchema, "Tenant document"],
  "schema/authorization-details.schema.json": [authorizationDetailsSchema, "authorization_details"],
  "schema/session-request.schema.json": [sessionRequestSchema, "POST /sessions"],
} as const;

function published(): [string, string][] {
  return Object.entries(SCHEMAS).map(([path, [schema, title]]) => {
    const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
    return [join(ROOT, path), `${JSON.stringify({ title, ...json }, undefined, 2)}\n`];
  });
}

/** Whether the files say what the code does. */
export function schemaIsCurrent(): boolean {
  return published().every(([path, text]) => existsSync(path) && readFileSync(path, "utf8") === text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of published()) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    process.stdout.write(`${path.slice(ROOT.length)}\n`);
  }
}
