import { compileTenant, type DocumentProblem, type ShippedCatalogues } from "../domain/compiled-tenant.ts";
import type { Json } from "../domain/canonical-json.ts";
import { idlePolicies } from "../domain/idle-policies.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { TenantDocument } from "../domain/tenant.ts";
import { documentProblems } from "./tenant/problems.ts";
import { schemaProblems } from "./schema-problems.ts";
import { tenantDocumentSchema } from "./tenant/schema.ts";
import { documentWarnings } from "./tenant/warnings.ts";

/** A document that may be applied, and what its author should know about it. */
export interface ReadDocument {
  readonly document: TenantDocument;
  readonly warnings: readonly DocumentProblem[];
}

/** What a broker is, as far as a document must fit it. */
export interface DocumentSetting {
  readonly issuer: string;
  readonly shipped: ShippedCatalogues;
  /** Whether it may call loopback and private networks. */
  readonly allowPrivateNetwork: boolean;
}

/** Reads a tenant document: its shape by the schema, its sense by compiling it. */
export function readTenantDocument(
  value: Json,
  { issuer, shipped, allowPrivateNetwork }: DocumentSetting,
): Result<ReadDocument, readonly DocumentProblem[]> {
  const parsed = tenantDocumentSchema.safeParse(value);
  if (!parsed.success) return err(schemaProblems(parsed.error.issues));
  const document: TenantDocument = parsed.data;
  const compiled = compileTenant(document, shipped);
  const problems = [...compiled.problems, ...documentProblems(document, allowPrivateNetwork)];
  if (document.issuer !== issuer) problems.unshift({ path: "/issuer", message: `this is the broker of ${issuer}` });
  const warnings = [...documentWarnings(document), ...idlePolicies(compiled.tenant)];
  return problems.length > 0 ? err(problems) : ok({ document, warnings });
}
