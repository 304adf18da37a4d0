import type { WireError } from "../protocol/wire-error.ts";
import type { Handling } from "./http.ts";

/**
 * The refusal of whatever would write more into the audit log than its ledger takes; undefined while the
 * ledger keeps up. What ends access is never asked this.
 */
export function ledgerBehind(c: Handling): WireError | undefined {
  return c.var.tenant.isLedgerBehind ? LEDGER_BEHIND : undefined;
}

const LEDGER_BEHIND: WireError = {
  status: 503,
  error: "temporarily_unavailable",
  description:
    "the audit log cannot take more at the moment, and nothing happens without it; ending and revoking work, try the rest again later",
  headers: { "retry-after": "30" },
};
