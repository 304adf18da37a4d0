import { Buffer } from "node:buffer";
import type { CryptoKey } from "jose";
import { isJsonObject, type Json, type JsonObject } from "../domain/canonical-json.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import { err, ok, type Result } from "../domain/result.ts";

/** Asymmetric, deterministic in strength, and spoken by every client we know. */
export const SIGNING_ALGORITHMS = ["ES256", "PS256", "EdDSA"] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** Longer than any token that is sent to us for good reasons. */
const MAX_JWS_LENGTH = 16_384;

/** A compact JWS that has been read but not believed. */
export interface CompactJws {
  readonly token: string;
  readonly alg: SigningAlgorithm;
  readonly typ: string | undefined;
  readonly kid: string | undefined;
  /** Only where the caller allows an embedded key (a DPoP proof). */
  readonly jwk: JsonObject | undefined;
}

/** As {@link CompactJws}, whose payload is a claims set (RFC 7519 §3). */
export interface UnverifiedJws extends CompactJws {
  readonly claims: JsonObject;
}

export type JwsFault = "malformed" | "alg_not_allowed" | "header_not_allowed";

const BASE64URL_SEGMENT = /^[A-Za-z0-9_-]+$/;
/** Members of a header that Stint knows. Anything that could point at another key is refused. */
const KNOWN_HEADER = new Set(["alg", "typ", "kid", "jwk"]);

/** Reads a JWT in compact form: {@link readCompactJws} around a claims set. */
export function readJws(token: string, allowJwk: boolean): Result<UnverifiedJws, JwsFault> {
  const jws = readCompactJws(token, allowJwk);
  if (!jws.ok) return jws;
  const claims = readObject(token.split(".")[1]!);
  return claims === undefined ? err("malformed") : ok({ ...jws.value, claims });
}

/**
 * Whether a JWT is written as strictly as ours have to be: canonical base64url, no duplicate members.
 * For one whose signature a library checks, by the algorithms of somebody else.
 */
export function isStrictJwt(token: string): boolean {
  const segments = token.split(".");
  if (token.length > MAX_JWS_LENGTH || segments.length !== 3 || !segments.every(isCanonicalBase64Url)) return false;
  return readObject(segments[0]!) !== undefined && readObject(segments[1]!) !== undefined;
}

/**
 * Reads a compact JWS (RFC 7515 §7.1) more strictly than a library would: canonical base64url only,
 * no duplicate members, exact algorithm names, and no header that brings or points at a key.
 *
 * @param allowJwk whether the header may carry `jwk`; it must for a proof and must not elsewhere
 */
export function readCompactJws(token: string, allowJwk: boolean): Result<CompactJws, JwsFault> {
  if (token.length > MAX_JWS_LENGTH) return err("malformed");
  const segments = token.split(".");
  if (segments.length !== 3 || !segments.every(isCanonicalBase64Url)) return err("malformed");
  const header = readObject(segments[0]!);
  if (header === undefined) return err("malformed");

  const { alg, typ, kid, jwk } = header;
  if (!SIGNING_ALGORITHMS.includes(alg as SigningAlgorithm)) return err("alg_not_allowed");
  if (!Object.keys(header).every((name) => KNOWN_HEADER.has(name))) return err("header_not_allowed");
  if (!isOptionalString(typ) || !isOptionalString(kid)) return err("header_not_allowed");
  if (jwk !== undefined && (!allowJwk || !isJsonObject(jwk))) return err("header_not_allowed");
  return ok({ token, alg: alg as SigningAlgorithm, typ, kid, jwk });
}

/** What WebCrypto is told of each algorithm, RFC 7518 §3.4 and §3.5, RFC 8037 §3.1. */
const PARAMETERS = {
  ES256: { name: "ECDSA", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", saltLength: 32 },
  EdDSA: { name: "Ed25519" },
} as const;

/**
 * Whether the signature is by this key, which was imported for the algorithm that the header names: one
 * for another does not verify. Not by the library, which would read all anew that {@link readCompactJws}
 * has read more strictly: that was a twentieth of an exchange.
 */
export async function isSignedBy({ token, alg }: CompactJws, key: CryptoKey): Promise<boolean> {
  const end = token.lastIndexOf(".");
  const signature = Buffer.from(token.slice(end + 1), "base64url");
  try {
    return await crypto.subtle.verify(PARAMETERS[alg], key, signature, Buffer.from(token.slice(0, end)));
  } catch {
    return false;
  }
}

/**
 * Signs claims as a compact JWS (RFC 7515 §7.1, RFC 7518 §3.4). Not by the library: every exchange comes
 * by here, and of what it would check, all is our own.
 */
export async function signJws(
  claims: object,
  header: { alg: "ES256"; typ: string; kid: string },
  key: CryptoKey,
): Promise<string> {
  const input = `${encodeSegment(header)}.${encodeSegment(claims)}`;
  const signature = await crypto.subtle.sign(PARAMETERS.ES256, key, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}

function encodeSegment(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

/** base64url without padding whose unused last bits are zero, so that a value has one spelling. */
function isCanonicalBase64Url(segment: string): boolean {
  if (!BASE64URL_SEGMENT.test(segment) || segment.length % 4 === 1) return false;
  const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".indexOf(segment.at(-1)!);
  if (segment.length % 4 === 2) return last % 16 === 0;
  return segment.length % 4 !== 3 || last % 4 === 0;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readObject(segment: string): JsonObject | undefined {
  let text: string;
  try {
    text = utf8.decode(Buffer.from(segment, "base64url"));
  } catch {
    return undefined;
  }
  const parsed = parseStrictJson(text);
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined;
}

function isOptionalString(value: Json | undefined): value is string | undefined {
  return value === undefined || typeof value === "string";
}
