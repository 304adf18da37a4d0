import type { Facts } from "../domain/facts.ts";
import type { Assurance } from "../domain/tenant.ts";
import { AgentWords, FactsList, Warnings } from "./facts-list.tsx";
import { Layout } from "./layout.tsx";
import { Countdown } from "./time.tsx";
import { UnitText, type UnitLine } from "./units.tsx";

export interface ApproveViewProps {
  readonly facts: Facts;
  readonly units: readonly UnitLine[];
  readonly durations: readonly { readonly seconds: number; readonly label: string; readonly selected: boolean }[];
  readonly requestDigest: string;
  readonly token: string;
  readonly csrf: string;
  /** Epoch seconds. */
  readonly requestExpiresAt: number;
  readonly assurance: Assurance;
  readonly approverName: string;
  readonly matchCode: string;
  /** Whether the request was begun in another browser, in which alone it can be approved. */
  readonly elsewhere: boolean;
}

/** The request as its approver first sees it: Stint's facts, what may be taken away from it, and the two decisions. */
export function ApproveView(props: ApproveViewProps) {
  const { facts, units, durations, requestDigest, token, csrf, requestExpiresAt, assurance, approverName } = props;
  const { matchCode, elsewhere } = props;
  return (
    <Layout title="Approval">
      <form class="card" method="post" action="/approve/review">
        <h1>{facts.headline}</h1>
        <div class="match">
          <span>Match code</span>
          <strong>{matchCode}</strong>
          <small>Where it was asked for, the same code is shown. If it differs, deny.</small>
        </div>
        <FactsList facts={facts} without={["Match code", "May read", "May write", "For at most"]} />
        <Warnings facts={facts} />
        <fieldset>
          <legend>May do</legend>
          {units.map((unit, at) => (
            <label class="choice">
              <input type="checkbox" name={`unit.${at}`} value={unit.unit} checked />
              <UnitText unit={unit} />
            </label>
          ))}
          <p class="hint">Untick what the task does not need.</p>
        </fieldset>
        <label class="field">
          <span>For at most</span>
          <select name="expires_in">
            {durations.map(({ seconds, label, selected }) => (
              <option value={String(seconds)} selected={selected}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <input type="hidden" name="token" value={token} />
        <input type="hidden" name="csrf" value={csrf} />
        <input type="hidden" name="digest" value={requestDigest} />
        {elsewhere && (
          <p class="banner" role="note">
            <strong>This request was begun in another browser.</strong> Only there can it be approved: open the link
            there. If it was not you who began it, deny.
          </p>
        )}
        <div class="actions">
          {!elsewhere && <button type="submit">Review and approve</button>}
          <button type="submit" class="deny" formaction="/approve/decide" name="decision" value="deny">
            Deny
          </button>
        </div>
        <p class="hint">
          Nothing happens unless you decide. The request lapses <Countdown at={requestExpiresAt} />.
        </p>
        {assurance === "link" && <LinkBanner approverName={approverName} />}
        <AgentWords facts={facts} />
      </form>
    </Layout>
  );
}

/** What an approval by link alone is worth, in words that nobody has to look up. */
function LinkBanner({ approverName }: { approverName: string }) {
  return (
    <aside class="banner" aria-label="What this link proves">
      <strong>Only this link says that you are {approverName}.</strong> Whoever holds it can decide in your name. Do not
      forward it, and do not approve what you did not expect.
    </aside>
  );
}
