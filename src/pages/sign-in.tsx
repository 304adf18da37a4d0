import { Layout } from "./layout.tsx";

export interface SignInPageProps {
  /** Host of the identity provider, where there is one. */
  readonly provider: string | undefined;
  /** Where it leads, as a word. */
  readonly purpose: string;
  /** The address that leads here by GET, where a form did. */
  readonly home: string | undefined;
}

/** The ways to say who you are. */
export function SignInPage({ provider, purpose, home }: SignInPageProps) {
  return (
    <Layout title="Sign in" home={home}>
      <section class="card" aria-labelledby="sign-in">
        <h1 id="sign-in">Sign in</h1>
        <p>To see what waits for your decision. Signing in decides nothing.</p>
        {provider !== undefined && (
          <form method="post" action="/sign-in/sso">
            <input type="hidden" name="purpose" value={purpose} />
            <div class="actions">
              <button type="submit">Sign in with {provider}</button>
            </div>
          </form>
        )}
        <form method="post" action="/sign-in/passkey" data-passkey="get" data-challenge="/sign-in/challenge">
          <input type="hidden" name="purpose" value={purpose} />
          <input type="hidden" name="nonce" value="" />
          <input type="hidden" name="credential" value="" />
          <p class="problem" role="alert" hidden></p>
          <div class="actions">
            <button type="submit" class={provider === undefined ? undefined : "quiet"}>
              Sign in with a passkey
            </button>
          </div>
        </form>
        <p class="hint">
          No passkey yet? An admin invites you: <code>stint invite</code>.
        </p>
      </section>
    </Layout>
  );
}
