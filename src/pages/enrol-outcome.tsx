import { Outcome, type OutcomeProps } from "./outcome.tsx";
import { Moment } from "./time.tsx";

export type EnrolOutcomeProps =
  | { readonly kind: "made"; readonly personName: string; readonly usableFrom: number }
  | { readonly kind: "used" | "not_made" | "invalid" };

/** How an invitation ended. */
export function EnrolOutcome(props: EnrolOutcomeProps) {
  return <Outcome {...describe(props)} />;
}

function describe(props: EnrolOutcomeProps): OutcomeProps {
  switch (props.kind) {
    case "made":
      return {
        title: "Your passkey is ready",
        tone: "good",
        body: (
          <p>
            {props.personName} can approve with it from <Moment at={props.usableFrom} /> on. You can close this page;
            links to requests come by Slack or mail.
          </p>
        ),
      };
    case "used":
      return {
        title: "This invitation was used already",
        tone: "warn",
        body: <p>If it was not you who used it, tell your admin now. Nothing was changed by opening it again.</p>,
      };
    case "not_made":
      return {
        title: "No passkey was made",
        tone: "warn",
        body: (
          <p>
            What the browser sent did not hold, or it took longer than two minutes. Nothing was changed: open the
            invitation again.
          </p>
        ),
      };
    case "invalid":
      return {
        title: "This invitation is not valid",
        tone: "warn",
        body: <p>It was altered, has expired, or names nobody here any more. Ask your admin for another.</p>,
      };
  }
}
