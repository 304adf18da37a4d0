import type { BreakGlass } from "../domain/break-glass.ts";
import { Layout } from "./layout.tsx";
import { Moment } from "./time.tsx";
import { callsText } from "./watch.tsx";
import { UnitList, type UnitLine } from "./units.tsx";

export interface GlassReviewProps {
  readonly use: BreakGlass;
  readonly agentName: string;
  readonly adminName: string;
  readonly approverName: string;
  /** What was granted; nothing where nothing was. */
  readonly lines: readonly UnitLine[];
  readonly calls: number;
  readonly refusals: number;
  readonly token: string;
  readonly csrf: string;
}

/** What an admin did alone, for somebody else to look at afterwards. */
export function GlassReview(props: GlassReviewProps) {
  const { use, agentName, adminName, approverName, lines, calls, refusals, token, csrf } = props;
  return (
    <Layout title="Review" person={approverName}>
      <form class="card" method="post" action="/approve/reviewed" autocomplete="off">
        <h1>Review what an admin did alone</h1>
        <p class="banner alarm" role="note">
          <strong>
            <bdi>{adminName}</bdi> (<bdi>{use.person}</bdi>)
          </strong>{" "}
          broke the glass for {agentName} on <Moment at={use.at} />: <bdi>{use.reason}</bdi>
        </p>
        {lines.length === 0 ? (
          <p>Nothing was granted in the end.</p>
        ) : (
          <>
            <p>
              It was granted this. {callsText(calls)} {calls === 1 ? "was" : "were"} let through, {refusals} refused.
            </p>
            <UnitList units={lines} />
          </>
        )}
        <label class="field">
          <span>What you found</span>
          <textarea name="comment" rows={3} maxlength={300} required></textarea>
        </label>
        <input type="hidden" name="token" value={token} />
        <input type="hidden" name="csrf" value={csrf} />
        <div class="actions">
          <button type="submit">Close the review</button>
        </div>
      </form>
    </Layout>
  );
}
