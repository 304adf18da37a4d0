/** How long the keys may take, in milliseconds. */
const DEADLINE_MS = 10_000;

/** A receipt with the issuer's keys of today, as `stint verify` takes it. */
export async function receiptBundle(issuer: string, receipt: string): Promise<string> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const jwks = (await (await fetch(`${issuer}/oauth/jwks`, { signal })).json()) as object;
  return `${JSON.stringify({ issuer, receipt, jwks }, undefined, 2)}\n`;
}
