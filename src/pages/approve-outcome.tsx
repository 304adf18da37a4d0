import { alreadyDecided, approved, counted, type AlreadyDecidedProps, type ApprovedProps } from "./decided.tsx";
import { Outcome, type OutcomeProps } from "./outcome.tsx";
import { refusedVisit, type RefusedVisit } from "./refused-visit.tsx";
import { tryAgain, type Mendable } from "./try-again.tsx";

export type ApproveOutcomeProps =
  | ApprovedProps
  /** How many more have to approve, where that is known. */
  | { readonly kind: "counted"; readonly missing: number | undefined }
  | { readonly kind: "denied" | "ended" | "over" | "reviewed"; readonly agentName: string }
  | AlreadyDecidedProps
  | { readonly kind: Mendable; readonly token: string }
  /** Somebody else than the link was written to. */
  | { readonly kind: "wrong_person"; readonly signedIn: string }
  | { readonly kind: RefusedVisit };

/** How a visit ends, whichever way: what happened, and what to do next. */
export function ApproveOutcome(props: ApproveOutcomeProps) {
  return <Outcome {...describe(props)} />;
}

function describe(props: ApproveOutcomeProps): OutcomeProps {
  switch (props.kind) {
    case "approved":
      return approved(props);
    case "counted":
      return counted(props.missing);
    case "already_decided":
      return alreadyDecided(props);
    case "denied":
      return { title: "Denied", tone: "plain", body: <p>{props.agentName} gets nothing. You can close this page.</p> };
    case "ended":
      return {
        title: "Ended",
        tone: "good",
        body: (
          <p>
            {props.agentName} can do nothing more with it, and what it was lent is being taken back. You can close this
            page.
          </p>
        ),
      };
    case "over":
      return {
        title: "It has ended already",
        tone: "plain",
        body: <p>There is nothing left to end: {props.agentName} was done, its time was up, or somebody was faster.</p>,
      };
    case "reviewed":
      return {
        title: "Reviewed",
        tone: "good",
        body: <p>What was done for {props.agentName} is reviewed, and your words are in the audit log.</p>,
      };
    case "wrong_person":
      return wrongPerson(props.signedIn);
    case "nothing_left":
    case "not_signed":
    case "not_signed_in":
    case "wrong_code":
    case "too_many_codes":
    case "no_comment":
    case "just_cut_off":
      return tryAgain(props.kind, props.token);
    case "expired":
    case "invalid_link":
    case "not_permitted":
    case "changed":
    case "forbidden":
    case "other_browser":
      return refusedVisit(props.kind);
  }
}

function wrongPerson(signedIn: string): OutcomeProps {
  return {
    title: "This link was written to somebody else",
    tone: "warn",
    body: (
      <form method="post" action="/sign-out">
        <p>
          You are signed in as <bdi>{signedIn}</bdi>. Only the person whom Stint wrote to can use it, so nothing is
          shown and nothing was changed. If that is you, sign out and open the link again.
        </p>
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    ),
  };
}
