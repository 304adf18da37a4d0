import type { AccountLink } from "../connectors/account-link.ts";
import type { Passkey } from "../crypto/passkey.ts";
import type { SignIn } from "../domain/sign-in.ts";
import type { LinkedUpstream } from "../domain/upstream.ts";
import type { DrawingSession } from "./linked-accounts.ts";
import type { OneTime, OneTimeFault } from "./one-time.ts";
import type { UseFault } from "./passkey-store.ts";

/** Which tenant's person an object is; the object keeps it from its first call. */
export interface PersonIdentity {
  readonly issuer: string;
  readonly person: string;
}

export interface EnrolCommand {
  readonly identity: PersonIdentity;
  /** The invitation and the challenge, each good once. */
  readonly oneTime: readonly OneTime[];
  readonly passkey: Passkey;
  /** Whether an admin said that it may decide from now on. */
  readonly atOnce: boolean;
  /** Since when this is the person, epoch seconds; 0 where nobody of that id ever left. */
  readonly since: number;
}

export interface UseCommand {
  readonly identity: PersonIdentity;
  readonly credential_id: string;
  readonly challenge: OneTime;
  readonly counter: number;
  readonly backup_eligible: boolean;
}

export interface SignInCommand {
  readonly identity: PersonIdentity;
  /** What brought the browser back, good once. */
  readonly oneTime: readonly OneTime[];
  /** Of what the browser's cookie holds. */
  readonly digest: string;
  readonly how: SignIn["how"];
  readonly roles: SignIn["roles"];
}

export interface LinkCommand {
  readonly identity: PersonIdentity;
  readonly oneTime: OneTime;
  readonly upstream: LinkedUpstream;
  /** What was asked for. */
  readonly scope: string;
  readonly link: AccountLink;
  /** The query that the browser came back with. */
  readonly answer: string;
}

export interface DrawCommand {
  readonly identity: PersonIdentity;
  readonly upstream: LinkedUpstream;
  readonly scope: string;
  readonly session: DrawingSession;
}

export type EnrolFault = OneTimeFault | "known_already" | "too_many";
export type PasskeyFault = OneTimeFault | UseFault;
