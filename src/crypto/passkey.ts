import { Buffer } from "node:buffer";
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from "@simplewebauthn/server";
import { err, ok, type Result } from "../domain/result.ts";
import { sha256 } from "./hash.ts";

/** ES256, EdDSA and RS256, as COSE numbers them: what authenticators make. */
const ALGORITHMS = [-7, -8, -257];
const TIMEOUT_MS = 120_000;

/** With all that it reads certificates with it is a fifth of the code, and few isolates ever meet a passkey. */
const loadWebAuthn = () => import("@simplewebauthn/server");

/** A passkey, as it is kept. */
export interface Passkey {
  readonly credential_id: string;
  /** COSE key, base64url. */
  readonly public_key: string;
  readonly counter: number;
  readonly transports: readonly string[];
  /** Whether it may be copied to other devices; it never changes. */
  readonly backup_eligible: boolean;
}

/** What a browser hands back, already checked for shape. */
export type RegistrationResponse = RegistrationResponseJSON;
export type AssertionResponse = AuthenticationResponseJSON;

/** What a passkey knows its person by, base64url. It says nothing to whoever reads it off a stolen key. */
export function userHandleOf(issuer: string, personId: string): string {
  return sha256(`${issuer} ${personId}`);
}

/** What the browser is asked for when a passkey is made. */
export async function creationOptions(
  issuer: string,
  person: { readonly id: string; readonly name: string },
  challenge: string,
  known: readonly Passkey[],
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const { generateRegistrationOptions } = await loadWebAuthn();
  return generateRegistrationOptions({
    rpName: "Stint",
    rpID: new URL(issuer).hostname,
    userID: bytes(userHandleOf(issuer, person.id)),
    userName: person.id,
    userDisplayName: person.name,
    challenge: bytes(challenge),
    timeout: TIMEOUT_MS,
    attestationType: "none",
    excludeCredentials: known.map(({ credential_id }) => ({ id: credential_id })),
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
    supportedAlgorithmIDs: ALGORITHMS,
  });
}

/** What the browser is asked for when a passkey shall sign. */
export async function requestOptions(
  issuer: string,
  challenge: string,
  known: readonly Passkey[],
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { generateAuthenticationOptions } = await loadWebAuthn();
  return generateAuthenticationOptions({
    rpID: new URL(issuer).hostname,
    challenge: bytes(challenge),
    timeout: TIMEOUT_MS,
    userVerification: "required",
    allowCredentials: known.map(({ credential_id, transports }) => ({
      id: credential_id,
      transports: transports as never,
    })),
  });
}

/** Checks a new passkey, WebAuthn Level 3 §7.1: made here, for this challenge, with the user verified. */
export async function verifyNewPasskey(
  response: RegistrationResponse,
  issuer: string,
  challenge: string,
): Promise<Result<Passkey, "invalid">> {
  try {
    const { verifyRegistrationResponse } = await loadWebAuthn();
    const { registrationInfo } = await verifyRegistrationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: issuer,
      expectedRPID: new URL(issuer).hostname,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    if (registrationInfo === undefined) return err("invalid");
    const { credential, credentialDeviceType } = registrationInfo;
    return ok({
      credential_id: credential.id,
      public_key: Buffer.from(credential.publicKey).toString("base64url"),
      counter: credential.counter,
      transports: credential.transports ?? [],
      backup_eligible: credentialDeviceType === "multiDevice",
    });
  } catch {
    return err("invalid");
  }
}

/** What a good assertion says of its passkey now. */
export interface PasskeyUse {
  readonly counter: number;
  readonly backup_eligible: boolean;
}

/** Checks a passkey's signature, WebAuthn Level 3 §7.2: user present and verified, at our origin, over this challenge. */
export async function verifyPasskeyUse(
  response: AssertionResponse,
  issuer: string,
  challenge: string,
  passkey: Passkey,
): Promise<Result<PasskeyUse, "invalid">> {
  if (response.id !== passkey.credential_id) return err("invalid");
  try {
    const { verifyAuthenticationResponse } = await loadWebAuthn();
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: issuer,
      expectedRPID: new URL(issuer).hostname,
      requireUserVerification: true,
      // The counter is judged by the person's object, in the same transaction as its new value.
      credential: { id: passkey.credential_id, publicKey: bytes(passkey.public_key), counter: 0 },
    });
    if (!verified) return err("invalid");
    const { newCounter, credentialDeviceType } = authenticationInfo;
    return ok({ counter: newCounter, backup_eligible: credentialDeviceType === "multiDevice" });
  } catch {
    return err("invalid");
  }
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64url, "base64url"));
}
