import type { Facts } from "../domain/facts.ts";
import { AgentWords } from "./agent-words.tsx";
import { FactsList, Warnings } from "./facts-list.tsx";
import { Layout } from "./layout.tsx";
import { LimitFields, type PlaceLimits } from "./limit-fields.tsx";
import { RoleNote, type Role } from "./role-note.tsx";
import { Countdown, Moment } from "./time.tsx";
import { UnitChoices, type UnitLine } from "./units.tsx";

export interface ApproveViewProps {
  readonly facts: Facts;
  readonly units: readonly UnitLine[];
  readonly limits: readonly PlaceLimits[];
  readonly durations: readonly { readonly seconds: number; readonly label: string; readonly selected: boolean }[];
  readonly requestDigest: string;
  readonly token: string;
  readonly csrf: string;
  /** Epoch seconds. */
  readonly requestExpiresAt: number;
  /** Whether the link is all that says who approves. */
  readonly byLinkAlone: boolean;
  readonly approverName: string;
  readonly role: Role;
  /** To be compared; undefined where it has to be typed. */
  readonly matchCode: string | undefined;
  /** What keeps this visitor from approving; denying is always possible. */
  readonly obstacle: Obstacle | undefined;
}

export type Obstacle =
  | { readonly kind: "other_browser" }
  /** Host of the identity provider. */
  | { readonly kind: "sign_in"; readonly provider: string }
  | { readonly kind: "no_passkey"; readonly person: string }
  /** Epoch seconds. */
  | { readonly kind: "passkey_waits"; readonly until: number };

/** The request as its approver first sees it: Stint's facts, what may be taken away from it, and the two decisions. */
export function ApproveView(props: ApproveViewProps) {
  const { facts, units, limits, durations, requestDigest, token, csrf, requestExpiresAt, byLinkAlone, approverName } =
    props;
  const { matchCode, obstacle } = props;
  return (
    <Layout title="Approval" person={approverName}>
      <form class="card" method="post" action="/approve/review" autocomplete="off">
        <h1>{facts.headline}</h1>
        {matchCode === undefined ? (
          <MatchCodeField />
        ) : (
          <div class="match">
            <span>Match code</span>
            <strong>{matchCode}</strong>
            <small>Where it was asked for, the same code is shown. If it differs, deny.</small>
          </div>
        )}
        <FactsList facts={facts} without={["Match code", "May read", "May write", "For at most"]} />
        <Warnings facts={facts} />
        <UnitChoices units={units} />
        <p class="hint">Untick what the task does not need.</p>
        <LimitFields places={limits} />
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
        <label class="field">
          <span>Say to the agent</span>
          <textarea name="comment" rows={1} maxlength={300} placeholder="optional"></textarea>
        </label>
        <input type="hidden" name="token" value={token} />
        <input type="hidden" name="csrf" value={csrf} />
        <input type="hidden" name="digest" value={requestDigest} />
        <RoleNote role={props.role} />
        {byLinkAlone && <LinkBanner approverName={approverName} />}
        {obstacle !== undefined && <ObstacleNote obstacle={obstacle} />}
        <div class="actions">
          {obstacle === undefined && <button type="submit">Review and approve</button>}
          {obstacle?.kind === "sign_in" && (
            <button type="submit" formaction="/sign-in/sso" name="purpose" value="approve" data-keep="token">
              Sign in with {obstacle.provider}
            </button>
          )}
          <button type="submit" class="deny" formaction="/approve/decide" name="decision" value="deny">
            Deny
          </button>
        </div>
        <p class="hint">
          Nothing happens unless you decide. The request expires <Countdown at={requestExpiresAt} />.
        </p>
      </form>
      <AgentWords facts={facts} />
    </Layout>
  );
}

/** Where the code is typed that the agent shows. */
export function MatchCodeField() {
  return (
    <label class="field">
      <span>Match code</span>
      <input
        type="text"
        name="match_code"
        maxlength={12}
        autocomplete="off"
        autocapitalize="characters"
        spellcheck={false}
        placeholder="as the agent shows it"
      />
    </label>
  );
}

/** Why there is no button to approve, and what to do about it. */
function ObstacleNote({ obstacle }: { obstacle: Obstacle }) {
  switch (obstacle.kind) {
    case "other_browser":
      return (
        <p class="banner" role="note">
          <strong>This request was begun in another browser.</strong> Only there can it be approved: open the link
          there. If it was not you who began it, deny.
        </p>
      );
    case "sign_in":
      return (
        <p class="banner" role="note">
          <strong>Approving this needs a sign-in.</strong> Your identity provider says who you are, and brings you back
          to this request. You can deny without it.
        </p>
      );
    case "no_passkey":
      return (
        <p class="banner" role="note">
          <strong>Approving this needs your passkey, and you have none yet.</strong> Ask an admin for an invitation:{" "}
          <code>stint invite {obstacle.person}</code>. You can deny without one.
        </p>
      );
    case "passkey_waits":
      return (
        <p class="banner" role="note">
          <strong>Your passkey is new.</strong> It can approve from <Moment at={obstacle.until} /> on. You can deny
          until then.
        </p>
      );
  }
}

/** What an approval by link alone is worth, in words that nobody has to look up. */
function LinkBanner({ approverName }: { approverName: string }) {
  return (
    <p class="banner" role="note">
      <strong>
        Only this link says that you are <bdi>{approverName}</bdi>.
      </strong>{" "}
      Whoever holds it can decide in your name, so do not forward it.
    </p>
  );
}
