import { createHash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import type { Credential } from "../domain/credential.ts";

/** The call that a signature is for. Nothing of the caller's stands in it but method, address and body. */
export interface AwsCall {
  readonly method: string;
  readonly url: string;
  readonly body: Uint8Array;
}

/** The headers that sign a call for AWS (Signature Version 4), now, its body included. */
export async function signAwsCall(
  credential: Extract<Credential, { kind: "aws" }>,
  { method, url, body }: AwsCall,
): Promise<Record<string, string>> {
  const signer = new AwsV4Signer({
    method,
    url,
    headers: { "x-amz-content-sha256": createHash("sha256").update(body).digest("hex") },
    accessKeyId: credential.access_key_id,
    secretAccessKey: credential.secret_access_key,
    sessionToken: credential.session_token,
    service: credential.service,
    region: credential.region,
  });
  const { headers } = await signer.sign();
  return Object.fromEntries(headers);
}
