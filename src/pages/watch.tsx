import { Layout } from "./layout.tsx";
import { RoleNote, type Role } from "./role-note.tsx";
import { Countdown, Moment } from "./time.tsx";
import { UnitList, type UnitLine } from "./units.tsx";

export interface WatchProps {
  readonly agentName: string;
  readonly approverName: string;
  readonly lines: readonly UnitLine[];
  /** Epoch seconds. */
  readonly expiresAt: number;
  /** How far each upstream's limits are used up. */
  readonly limits: readonly string[];
  readonly calls: number;
  readonly refusals: number;
  readonly role: Role;
  /** What happened lately, the newest first. */
  readonly activity: readonly { readonly at: number; readonly text: string; readonly refused: boolean }[];
  readonly token: string;
  readonly csrf: string;
}

/** `1 call`, `2 calls`. */
export function callsText(calls: number): string {
  return `${calls} ${calls === 1 ? "call" : "calls"}`;
}

/** A session at work, for whoever could approve it: what it does, as it does it, and one button that ends it. */
export function Watch(props: WatchProps) {
  const { agentName, approverName, lines, expiresAt, limits, calls, refusals, activity, token, csrf } = props;
  return (
    <Layout title="At work" person={approverName}>
      <section class="card" aria-labelledby="watch">
        <h1 id="watch">{agentName} is at work</h1>
        <p>
          It ends by itself <Countdown at={expiresAt} />.
        </p>
        <p id="tally" role="status">
          {callsText(calls)} let through, {refusals} refused.
        </p>
        {limits.map((line) => (
          <p class="hint">{line}</p>
        ))}
        <RoleNote role={props.role} />
        <form method="post" action="/approve/end">
          <input type="hidden" name="token" value={token} />
          <input type="hidden" name="csrf" value={csrf} />
          <div class="actions">
            <button type="submit" class="deny">
              End it now
            </button>
          </div>
        </form>
      </section>
      <section class="card" aria-labelledby="activity">
        <h2 id="activity">What it does</h2>
        <div id="live" data-token={token}>
          {activity.length === 0 && <p class="nothing">Nothing yet.</p>}
          <ul class="lines">
            {activity.map(({ at, text, refused }) => (
              <li class={refused ? "refused" : undefined}>
                <span class="unit">
                  <bdi>{text}</bdi>
                  <small>
                    <Moment at={at} seconds />
                  </small>
                </span>
              </li>
            ))}
          </ul>
        </div>
      </section>
      <section class="card" aria-labelledby="granted">
        <h2 id="granted">What it was granted</h2>
        <UnitList units={lines} />
      </section>
    </Layout>
  );
}
