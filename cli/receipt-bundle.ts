/** A receipt with the issuer's keys of today, as `stint verify` takes it. */
export async function receiptBundle(issuer: string, receipt: string): Promise<string> {
  const jwks = (await (await fetch(`${issuer}/oauth/jwks`)).json()) as object;
  return `${JSON.stringify({ issuer, receipt, jwks }, undefined, 2)}\n`;
}
