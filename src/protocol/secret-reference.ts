import * as z from "zod/v4";

const secretName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, "must be a name such as GITHUB_APP_KEY")
  .refine((name) => !name.startsWith("STINT_"), "names that start with STINT_ are the broker's own");

export const secretReference = z
  .strictObject({ secret: secretName })
  .describe("The name of a secret in the sealed store or the environment, never its value");
