import { Layout } from "./layout.tsx";
import { Countdown } from "./time.tsx";

export interface EnrolProps {
  readonly personName: string;
  readonly personId: string;
  readonly issuer: string;
  readonly token: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** The one step of an invitation: the browser makes a passkey, in whose name is said first. */
export function Enrol({ personName, personId, issuer, token, expiresAt }: EnrolProps) {
  return (
    <Layout title="Passkey">
      <form class="card" method="post" action="/enrol/finish" data-passkey="create" data-challenge="/enrol/challenge">
        <h1>Make your passkey</h1>
        <dl class="facts">
          <div>
            <dt>You are</dt>
            <dd>
              {personName} ({personId})
            </dd>
          </div>
          <div>
            <dt>At</dt>
            <dd>{issuer}</dd>
          </div>
        </dl>
        <p>
          With it you approve what AI agents ask for. It stays on your device, or with your password manager; each
          approval asks for your finger, face or PIN, and signs exactly what you were shown.
        </p>
        <input type="hidden" name="token" value={token} />
        <input type="hidden" name="nonce" value="" />
        <input type="hidden" name="credential" value="" />
        <p class="problem" role="alert" hidden></p>
        <div class="actions">
          <button type="submit">Make a passkey</button>
        </div>
        <p class="hint">
          If you are not {personName}, close this page and tell your admin. The invitation expires{" "}
          <Countdown at={expiresAt} />.
        </p>
      </form>
    </Layout>
  );
}
