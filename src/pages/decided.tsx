import type { OutcomeProps } from "./outcome.tsx";
import { Moment } from "./time.tsx";
import { UnitList, type UnitLine } from "./units.tsx";

export interface ApprovedProps {
  readonly kind: "approved";
  readonly lines: readonly UnitLine[];
  /** Epoch seconds. */
  readonly expiresAt: number;
  readonly agentName: string;
  /** Where the browser's other tab goes on, if one waits. */
  readonly returnsTo?: string | undefined;
  /** What shows the session at work; its own links do, where this was about more for it. */
  readonly token: string | undefined;
}

export interface AlreadyDecidedProps {
  readonly kind: "already_decided";
  readonly verdict: "approved" | "denied" | "ended";
  readonly decidedBy?: string;
  readonly decidedAt?: number;
  /** What shows the session: while it is at work, or where it is to be reviewed. */
  readonly token?: string;
  readonly isOver?: boolean;
}

/** What was granted just now, and for how long. */
export function approved({ agentName, lines, expiresAt, returnsTo, token }: ApprovedProps): OutcomeProps {
  return {
    title: "Approved",
    tone: "good",
    body: (
      <>
        <p>{agentName} may now do this, and nothing else:</p>
        <UnitList units={lines} />
        <p>
          It ends by itself: <Moment at={expiresAt} />.{" "}
          {returnsTo === undefined
            ? "You can close this page."
            : `Go back to the tab where you began: it returns to ${returnsTo}.`}
        </p>
        {token !== undefined && <WatchButton token={token} />}
      </>
    ),
  };
}

/** @param missing how many more have to approve, where that is known */
export function counted(missing: number | undefined): OutcomeProps {
  return {
    title: "Your approval counts",
    tone: "good",
    body: (
      <p>
        {missing === undefined
          ? "You have approved this before. It begins when enough others have approved the very same."
          : `It begins when ${missing === 1 ? "one more person has" : `${missing} more have`} approved the very same.`}{" "}
        You can close this page.
      </p>
    ),
  };
}

/** A link that is opened again after the decision: what it was, and nothing to decide. */
export function alreadyDecided(props: AlreadyDecidedProps): OutcomeProps {
  const { token, isOver } = props;
  return {
    title: "Already decided",
    tone: "plain",
    body: (
      <>
        <p>
          <Verdict {...props} />
        </p>
        {token !== undefined && <WatchButton token={token} isOver={isOver} />}
      </>
    ),
  };
}

function Verdict({ verdict, decidedBy, decidedAt }: AlreadyDecidedProps) {
  if (verdict === "ended") return <>The request was taken back or ended before you opened it. Nothing was changed.</>;
  return (
    <>
      {decidedBy} {verdict} this request
      {decidedAt !== undefined && (
        <>
          {" "}
          (<Moment at={decidedAt} />)
        </>
      )}
      . Nothing was changed by opening it again.
    </>
  );
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
