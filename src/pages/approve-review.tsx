import type { Facts } from "../domain/facts.ts";
import { AgentWords } from "./agent-words.tsx";
import { FactsList, Warnings } from "./facts-list.tsx";
import { MatchCodeField } from "./approve-view.tsx";
import { Layout } from "./layout.tsx";
import { RoleNote, type Role } from "./role-note.tsx";
import { Moment } from "./time.tsx";
import { UnitList, type UnitLine } from "./units.tsx";

export interface ApproveReviewProps {
  readonly facts: Facts;
  readonly lines: readonly UnitLine[];
  /** Epoch seconds. */
  readonly expiresAt: number;
  /** Canonical JSON of `authorization_details` and `expires_at`. */
  readonly grantJson: string;
  readonly digest: string;
  readonly requestDigest: string;
  readonly token: string;
  readonly csrf: string;
  readonly approverName: string;
  readonly role: Role;
  /** Whether a passkey has to sign it. */
  readonly byPasskey: boolean;
  /** What the approver says to the agent. */
  readonly comment: string;
  /** The match code as it was typed, where it has to be; an empty one is asked for here. */
  readonly typedCode: string | undefined;
  /** Who has signed this very grant already. */
  readonly approvedBy: readonly string[];
  /** How many have to. */
  readonly quorum: number;
}

/** The grant exactly as it would be, shown once more before it is decided. */
export function ApproveReview({
  facts,
  lines,
  expiresAt,
  grantJson,
  digest,
  requestDigest,
  token,
  csrf,
  approverName,
  role,
  byPasskey,
  comment,
  typedCode,
  approvedBy,
  quorum,
}: ApproveReviewProps) {
  return (
    <Layout title="Approval" person={approverName}>
      <section class="card" aria-labelledby="review">
        <h1 id="review">Approve exactly this?</h1>
        <FactsList facts={facts} without={["May read", "May write", "For at most"]} />
        <Warnings facts={facts} />
        <UnitList units={lines} />
        <p class="until">
          Until{" "}
          <strong>
            <Moment at={expiresAt} />
          </strong>
          . Nothing else, and the agent cannot prolong it.
        </p>
        <RoleNote role={role} />
        {quorum > 1 && (
          <p class="banner" role="note">
            {quorum} people have to approve the very same.{" "}
            {approvedBy.length === 0 ? "You are the first: what you sign, the others sign or deny." : null}
            {approvedBy.length > 0 && <bdi>{`Approved so far by ${approvedBy.join(", ")}.`}</bdi>}
          </p>
        )}
        <form
          method="post"
          action="/approve/decide"
          {...(byPasskey ? { "data-passkey": "get", "data-challenge": "/approve/challenge" } : {})}
        >
          <input type="hidden" name="token" value={token} />
          <input type="hidden" name="csrf" value={csrf} />
          <input type="hidden" name="grant" value={grantJson} />
          <input type="hidden" name="digest" value={digest} />
          <input type="hidden" name="decision" value="approve" />
          {typedCode !== undefined && typedCode !== "" && <input type="hidden" name="match_code" value={typedCode} />}
          {typedCode === "" && <MatchCodeField />}
          <input type="hidden" name="comment" value={comment} />
          {byPasskey && (
            <>
              <input type="hidden" name="nonce" value="" />
              <input type="hidden" name="credential" value="" />
              <p class="problem" role="alert" hidden></p>
            </>
          )}
          <div class="actions">
            <button type="submit">
              Approve as {approverName}
              {byPasskey ? ", with your passkey" : ""}
            </button>
          </div>
        </form>
        <form method="post" action="/approve/decide">
          <input type="hidden" name="token" value={token} />
          <input type="hidden" name="csrf" value={csrf} />
          <input type="hidden" name="digest" value={requestDigest} />
          <input type="hidden" name="comment" value={comment} />
          <div class="actions">
            <button type="submit" class="deny" name="decision" value="deny">
              Deny
            </button>
          </div>
        </form>
        {approvedBy.length === 0 && (
          <form method="post" action="/approve/view">
            <input type="hidden" name="token" value={token} />
            <button type="submit" class="quiet">
              Back
            </button>
          </form>
        )}
        <p class="digest">
          Digest of this grant <code>{digest}</code>
        </p>
      </section>
      <AgentWords facts={facts} />
    </Layout>
  );
}
