import { meets } from "./demand.ts";
import type { CompiledTenant } from "./compiled-tenant.ts";
import { approverCutOffUntil, leftUntil, type CutOffs } from "./cut-off.ts";
import { termsNow } from "./policy.ts";
import type { SessionState } from "./session.ts";

/**
 * Who has signed a request that waits for more signatures, and would not be taken now: the policy in
 * force when a session begins is the one that counts, for each who let it begin.
 *
 * @param now epoch seconds
 */
export function lapsedSigners(tenant: CompiledTenant, cutOffs: CutOffs, state: SessionState, now: number): string[] {
  if (state.status !== "pending" || state.proposal === undefined) return [];
  const { plan, request, proposal } = state;
  return proposal.approvals
    .filter(({ person, assurance, decided_at }) => {
      const { permitted, demanded } = termsNow(tenant, person, plan, request, now);
      const deadUntil = Math.max(approverCutOffUntil(cutOffs, person), leftUntil(cutOffs, person));
      return !permitted || !meets(assurance, demanded) || decided_at <= deadUntil;
    })
    .map(({ person }) => person);
}
