import { Outcome, type OutcomeProps } from "./outcome.tsx";
import { Moment } from "./time.tsx";
import { UnitList, type UnitLine } from "./units.tsx";

export type ApproveOutcomeProps =
  | {
      readonly kind: "approved";
      readonly lines: readonly UnitLine[];
      readonly expiresAt: number;
      readonly agentName: string;
      /** Where the browser's other tab goes on, if one waits. */
      readonly returnsTo?: string | undefined;
      /** What shows the session at work; its own links do, where this was about more for it. */
      readonly token: string | undefined;
    }
  /** How many more have to approve, where that is known. */
  | { readonly kind: "counted"; readonly missing: number | undefined }
  | { readonly kind: "denied" | "ended" | "over" | "reviewed"; readonly agentName: string }
  | {
      readonly kind: "already_decided";
      readonly verdict: "approved" | "denied" | "ended";
      readonly decidedBy?: string;
      readonly decidedAt?: number;
      /** What shows the session: while it is at work, or where it is to be reviewed. */
      readonly token?: string;
      readonly isOver?: boolean;
    }
  | {
      readonly kind: "nothing_left" | "not_signed" | "not_signed_in" | "wrong_code" | "no_comment" | "just_cut_off";
      readonly token: string;
    }
  /** Somebody else than the link was written to. */
  | { readonly kind: "wrong_person"; readonly signedIn: string }
  | { readonly kind: "expired" | "invalid_link" | "not_permitted" | "changed" | "forbidden" | "other_browser" };

/** How a visit ends, whichever way: what happened, and what to do next. */
export function ApproveOutcome(props: ApproveOutcomeProps) {
  return <Outcome {...describe(props)} />;
}

function describe(props: ApproveOutcomeProps): OutcomeProps {
  switch (props.kind) {
    case "approved":
      return {
        title: "Approved",
        tone: "good",
        body: (
          <>
            <p>{props.agentName} may now do this, and nothing else:</p>
            <UnitList units={props.lines} />
            <p>
              It ends by itself: <Moment at={props.expiresAt} />.{" "}
              {props.returnsTo === undefined
                ? "You can close this page."
                : `Go back to the tab where you began: it returns to ${props.returnsTo}.`}
            </p>
            {props.token !== undefined && <WatchButton token={props.token} />}
          </>
        ),
      };
    case "denied":
      return { title: "Denied", tone: "plain", body: <p>{props.agentName} gets nothing. You can close this page.</p> };
    case "counted":
      return {
        title: "Your approval counts",
        tone: "good",
        body: (
          <p>
            {props.missing === undefined
              ? "You have approved this before. It begins when enough others have approved the very same."
              : `It begins when ${props.missing === 1 ? "one more person has" : `${props.missing} more have`} approved the very same.`}{" "}
            You can close this page.
          </p>
        ),
      };
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
    case "reviewed":
      return {
        title: "Reviewed",
        tone: "good",
        body: <p>What was done for {props.agentName} is reviewed, and your words are in the audit log.</p>,
      };
    case "no_comment":
      return {
        title: "Say what you found",
        tone: "warn",
        body: (
          <form method="post" action="/approve/watch">
            <p>A review needs a word of what you found, if only that all was well.</p>
            <input type="hidden" name="token" value={props.token} />
            <button type="submit">Back</button>
          </form>
        ),
      };
    case "over":
      return {
        title: "It has ended already",
        tone: "plain",
        body: <p>There is nothing left to end: {props.agentName} was done, its time was up, or somebody was faster.</p>,
      };
    case "already_decided":
      return { title: "Already decided", tone: "plain", body: <Decided {...props} /> };
    case "expired":
      return {
        title: "This request has expired",
        tone: "plain",
        body: (
          <p>Nobody decided in time, so nothing was granted. If the task still matters, the agent has to ask again.</p>
        ),
      };
    case "invalid_link":
      return {
        title: "This link is not valid",
        tone: "warn",
        body: (
          <p>
            It was altered or cut short, or what it led to is gone. Nothing was changed. Open it again from the message
            that you were sent.
          </p>
        ),
      };
    case "not_permitted":
      return {
        title: "You may not decide this",
        tone: "warn",
        body: <p>The trust policy does not, or no longer, name you for this request. Nothing was changed.</p>,
      };
    case "changed":
      return {
        title: "That was not what you were shown",
        tone: "warn",
        body: (
          <p>
            The decision did not fit the stored request, or its time has passed. Nothing was changed. Open the link
            again and look once more.
          </p>
        ),
      };
    case "forbidden":
      return {
        title: "This did not come from the approval page",
        tone: "warn",
        body: (
          <p>
            Nothing was changed. Open the link from your message again, in one browser window, with cookies allowed.
          </p>
        ),
      };
    case "other_browser":
      return {
        title: "Open this where you began",
        tone: "warn",
        body: (
          <p>
            This request was begun in another browser, and only there can it be approved. If it was not you who began
            it, deny it. Nothing was changed.
          </p>
        ),
      };
    case "wrong_code":
      return {
        title: "That is not the code",
        tone: "warn",
        body: (
          <form method="post" action="/approve/view">
            <p>
              Type the code that the agent shows you. If it shows none, or shows another, this is not the request that
              you expect: go back and deny it.
            </p>
            <input type="hidden" name="token" value={props.token} />
            <button type="submit">Back</button>
          </form>
        ),
      };
    case "just_cut_off":
      return {
        title: "Approve it once more",
        tone: "warn",
        body: (
          <form method="post" action="/approve/view">
            <p>
              All that you had approved was revoked a moment ago, and this would have been revoked with it. Nothing was
              approved. If it was not you or an admin who revoked it, ask one.
            </p>
            <input type="hidden" name="token" value={props.token} />
            <button type="submit">Back to the request</button>
          </form>
        ),
      };
    case "not_signed":
      return {
        title: "Your passkey did not sign this",
        tone: "warn",
        body: (
          <form method="post" action="/approve/view">
            <p>
              The signature did not hold, was by another passkey than yours, or took longer than two minutes. Nothing
              was approved.
            </p>
            <input type="hidden" name="token" value={props.token} />
            <button type="submit">Look again</button>
          </form>
        ),
      };
    case "not_signed_in":
      return {
        title: "Sign in once more",
        tone: "warn",
        body: (
          <form method="post" action="/approve/view">
            <p>
              Approving this needs a sign-in at your identity provider a short while ago, and there is none in this
              browser any more. Nothing was approved.
            </p>
            <input type="hidden" name="token" value={props.token} />
            <button type="submit">Back to the request</button>
          </form>
        ),
      };
    case "wrong_person":
      return {
        title: "This link was written to somebody else",
        tone: "warn",
        body: (
          <form method="post" action="/sign-out">
            <p>
              You are signed in as <bdi>{props.signedIn}</bdi>. Only the person whom Stint wrote to can use it, so
              nothing is shown and nothing was changed. If that is you, sign out and open the link again.
            </p>
            <button type="submit" class="quiet">
              Sign out
            </button>
          </form>
        ),
      };
    case "nothing_left":
      return {
        title: "Nothing is left to approve",
        tone: "plain",
        body: (
          <form method="post" action="/approve/view">
            <p>You unticked everything. Go back to keep something, or to deny.</p>
            <input type="hidden" name="token" value={props.token} />
            <button type="submit">Back</button>
          </form>
        ),
      };
  }
}

/** The way to a session at work. The link is good for that until the session's end. */
function WatchButton({ token, isOver = false }: { token: string; isOver?: boolean | undefined }) {
  return (
    <form method="post" action="/approve/watch">
      <input type="hidden" name="token" value={token} />
      <button type="submit" class="quiet">
        {isOver ? "See what was done, and review it" : "Watch what it does, or end it"}
      </button>
    </form>
  );
}

function Decided(props: Extract<ApproveOutcomeProps, { kind: "already_decided" }>) {
  const { verdict, decidedBy, decidedAt, token, isOver } = props;
  const look = token !== undefined && <WatchButton token={token} isOver={isOver} />;
  if (verdict === "ended")
    return (
      <>
        <p>The request was taken back or ended before you opened it. Nothing was changed.</p>
        {look}
      </>
    );
  return (
    <>
      <p>
        {decidedBy} {verdict} this request
        {decidedAt !== undefined && (
          <>
            {" "}
            (<Moment at={decidedAt} />)
          </>
        )}
        . Nothing was changed by opening it again.
      </p>
      {look}
    </>
  );
}
