import type { ReceiptClaims } from "../src/domain/receipt.ts";

/** A receipt in a few lines for whoever waits at a terminal: how it ended, what was used, what became of credentials. */
export function summariseReceipt(receipt: string): string {
  const claims = JSON.parse(Buffer.from(receipt.split(".")[1] ?? "", "base64url").toString()) as ReceiptClaims;
  const { calls, refusals } = claims.usage;
  const upstreams = claims.usage.upstreams.map(
    ({ upstream, calls, writes }) => `  ${upstream}: ${calls} calls, ${writes} of them writing\n`,
  );
  const leases = claims.leases.map(({ upstream, in_words }) => `  credential at ${upstream}: ${in_words}\n`);
  const head = `Session ${claims.session_id}: ${claims.outcome}; ${calls} calls, ${refusals} refused\n`;
  return [head, ...upstreams, ...leases].join("");
}
