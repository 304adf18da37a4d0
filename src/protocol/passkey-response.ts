import * as z from "zod/v4";
import type { AssertionResponse, RegistrationResponse } from "../crypto/passkey.ts";
import { parseStrictJson } from "../domain/strict-json.ts";

const base64url = z.string().regex(/^[A-Za-z0-9_-]{1,8192}$/);
const common = {
  id: base64url.max(1400),
  rawId: base64url.max(1400),
  type: z.literal("public-key"),
  authenticatorAttachment: z.enum(["platform", "cross-platform"]).nullish(),
  clientExtensionResults: z.looseObject({}),
};

/** What browsers' `PublicKeyCredential.toJSON()` yields (WebAuthn Level 3 §5.1.1); members that are not needed fall away. */
const registrationSchema = z.object({
  ...common,
  response: z.object({
    clientDataJSON: base64url,
    attestationObject: base64url,
    transports: z
      .array(z.string().regex(/^[a-z-]{1,20}$/))
      .max(10)
      .optional(),
  }),
});

const assertionSchema = z.object({
  ...common,
  response: z.object({
    clientDataJSON: base64url,
    authenticatorData: base64url,
    signature: base64url,
    userHandle: base64url.nullish(),
  }),
});

export function readRegistration(text: string): RegistrationResponse | undefined {
  return readWith(registrationSchema, text) as RegistrationResponse | undefined;
}

export function readAssertion(text: string): AssertionResponse | undefined {
  return readWith(assertionSchema, text) as AssertionResponse | undefined;
}

function readWith(schema: z.ZodType, text: string): unknown {
  const parsed = parseStrictJson(text);
  return parsed.ok ? schema.safeParse(parsed.value).data : undefined;
}
