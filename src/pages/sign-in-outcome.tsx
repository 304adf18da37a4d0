import { Outcome, OutcomeText, type OutcomeProps } from "./outcome.tsx";

export type SignInOutcomeProps =
  | { readonly kind: "unknown_person"; readonly issuer: string; readonly subject: string }
  | { readonly kind: "signed_out" | "refused" | "forbidden" | "no_role" | "unavailable" };

/** How a sign-in ends that leads no further: why, and what to do next. */
export function SignInOutcome(props: SignInOutcomeProps) {
  return <Outcome {...describe(props)} />;
}

function describe(props: SignInOutcomeProps): OutcomeProps {
  switch (props.kind) {
    case "signed_out":
      return { title: "Signed out", tone: "plain", body: <Again>You can close this page.</Again> };
    case "refused":
      return {
        title: "That did not sign you in",
        tone: "warn",
        body: <Again>What came back did not prove who you are, or not well enough. Nothing was changed.</Again>,
      };
    case "forbidden":
      return {
        title: "This sign-in did not begin here",
        tone: "warn",
        body: (
          <Again>
            It was begun in another browser, took longer than ten minutes, or was finished before. Nothing was changed.
            Begin again, in one browser window, with cookies allowed.
          </Again>
        ),
      };
    case "unknown_person":
      return {
        title: "Nobody here is known by that sign-in",
        tone: "warn",
        body: (
          <>
            <p>
              Your identity provider knows you, and this Stint does not. If you should be here, send an admin these two
              lines for your entry's <code>identities</code>:
            </p>
            <dl class="facts">
              <div>
                <dt>issuer</dt>
                <dd>{props.issuer}</dd>
              </div>
              <div>
                <dt>subject</dt>
                <dd>{props.subject}</dd>
              </div>
            </dl>
          </>
        ),
      };
    case "no_role":
      return {
        title: "You have no role here",
        tone: "warn",
        body: (
          <Again>
            Your identity provider does not have you in a group that may use this. Ask whoever keeps its groups.
          </Again>
        ),
      };
    case "unavailable":
      return {
        title: "Your identity provider cannot be reached",
        tone: "warn",
        body: <Again>Nobody is signed in without it. Try again in a minute; nothing was changed.</Again>,
      };
  }
}

function Again({ children }: { readonly children: string }) {
  return (
    <OutcomeText href="/sign-in" link="Sign in">
      {children}
    </OutcomeText>
  );
}
