import { Layout } from "./layout.tsx";
import { Countdown } from "./time.tsx";

export interface AuthorizeWaitProps {
  readonly matchCode: string;
  readonly returnsTo: string;
  /** What its form brings back. */
  readonly carried: Readonly<Record<string, string>>;
  /** Epoch seconds. */
  readonly requestExpiresAt: number;
}

/** Waits for the decision in the other tab. The script looks by itself; without it there is the button. */
export function AuthorizeWait({ matchCode, returnsTo, carried, requestExpiresAt }: AuthorizeWaitProps) {
  return (
    <Layout title="Waiting">
      <form class="card" method="post" action="/oauth/authorize/continue" id="wait">
        <h1>Waiting for your approval</h1>
        <p role="status" id="wait-status">
          If you may decide this, a link is on its way to you by Slack or mail, and the request is in{" "}
          <a href="/inbox" target="_blank">
            your inbox
          </a>
          . Open it in this browser.
        </p>
        <div class="match">
          <span>Match code</span>
          <strong>{matchCode}</strong>
          <small>The approval page shows the same code.</small>
        </div>
        {Object.entries(carried).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <div class="actions">
          <button type="submit">I have decided, go on to {returnsTo}</button>
        </div>
        <p class="hint">
          This page goes on by itself once you have decided. The request expires <Countdown at={requestExpiresAt} />.
        </p>
      </form>
    </Layout>
  );
}
