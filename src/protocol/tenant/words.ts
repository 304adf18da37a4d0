import * as z from "zod/v4";

/** What several parts of a tenant document are made of. */

/** The most entries that any list of a document may have. */
export const MAX_LIST = 500;

/** A name that people read: no control, invisible or bidirectional characters. */
export const displayName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+$/u, "must be plain visible text");
export const clientId = z
  .string()
  .regex(
    /^(?!host:)[A-Za-z0-9][A-Za-z0-9._~:/-]{0,199}$/,
    "must be letters, digits and . _ ~ : / -, and not begin with host:",
  );
export const personId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]{0,199}$/, "must be an id such as dana@acme.example");
export const emailAddress = z
  .string()
  .max(254)
  .regex(/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/, "must be one bare address");
export const groupName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be lower-case letters, digits, dots, dashes or underscores");
export const duration = z.string().regex(/^[1-9][0-9]{0,5}[smhd]$/, "must be a duration such as 90s, 30m or 2h");

/** An address that the broker calls. Whether it may be called is judged again at every call. */
export const baseUrl = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine((text) => {
    const url = new URL(text);
    return url.username === "" && url.password === "" && url.search === "" && url.hash === "" && !text.endsWith("/");
  }, "must be an http(s) URL without user, query, fragment or a slash at the end");
export const resourceUri = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine(
    (text) => new URL(text).hash === "" && new URL(text).username === "",
    "must be an absolute URI without fragment (RFC 8707)",
  );
export const issuer = z
  .string()
  .max(300)
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    "must be an origin such as https://stint.acme.example",
  );
export const cost = z.int().min(1).max(1_000_000).optional();

export const list = <T extends z.ZodType>(item: T) => z.array(item).max(MAX_LIST).default([]);
