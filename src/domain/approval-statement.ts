/**
 * What a passkey signs: the digest of this, in canonical JSON, is the challenge. So the signature is
 * over exactly one grant, one decision, by one person, at one moment, and over nothing else.
 */
export interface ApprovalStatement {
  readonly type: "stint-approval";
  readonly issuer: string;
  readonly session_id: string;
  readonly person: string;
  readonly decision: "approve";
  readonly grant_digest: string;
  /** Made by Stint when the person pressed the button; good for two minutes. */
  readonly nonce: string;
}

/** A passkey's signature with all that is needed to check it again, years later and without Stint. */
export interface PasskeyEvidence {
  readonly type: "passkey";
  readonly statement: ApprovalStatement;
  readonly credential_id: string;
  /** COSE key, base64url. */
  readonly public_key: string;
  /** As the authenticator made them, base64url. */
  readonly authenticator_data: string;
  readonly client_data_json: string;
  readonly signature: string;
}
