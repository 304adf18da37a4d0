import type { Child } from "hono/jsx";
import { Outcome, OutcomeText, type OutcomeProps } from "./outcome.tsx";
import { Moment } from "./time.tsx";

export type AwayOutcomeProps =
  | { readonly kind: "away"; readonly from: number; readonly until: number; readonly delegateName: string }
  | { readonly kind: "back" | "not_away" | "no_approver" | "forbidden" };

/** What became of an approver's absence. */
export function AwayOutcome(props: AwayOutcomeProps) {
  return <Outcome {...describe(props)} />;
}

function describe(props: AwayOutcomeProps): OutcomeProps {
  switch (props.kind) {
    case "away":
      return {
        title: `${props.delegateName} stands in for you`,
        tone: "good",
        body: (
          <Inbox>
            From <Moment at={props.from} /> until <Moment at={props.until} /> {props.delegateName} is asked about
            requests in your place, and decides in their own name. You were both told.
          </Inbox>
        ),
      };
    case "back":
      return { title: "You are back", tone: "good", body: <Inbox>Nobody decides in your place any more.</Inbox> };
    case "not_away":
      return {
        title: "There was nothing to end",
        tone: "plain",
        body: <Inbox>It was over already, or stands in the tenant's document, which an admin changes.</Inbox>,
      };
    case "no_approver":
      return {
        title: "You decide nothing here",
        tone: "warn",
        body: <Inbox>Only somebody who may approve requests can have somebody stand in.</Inbox>,
      };
    case "forbidden":
      return {
        title: "This form is not good any more",
        tone: "warn",
        body: <Inbox>It was opened in another browser, or too long ago. Nothing was changed.</Inbox>,
      };
  }
}

function Inbox({ children }: { readonly children: Child }) {
  return (
    <OutcomeText href="/inbox" link="Your inbox">
      {children}
    </OutcomeText>
  );
}
