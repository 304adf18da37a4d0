import { Outcome, OutcomeText } from "./outcome.tsx";

/** What a person reads where nothing is, or where a part of Stint did not answer. */
export function Lost({ kind }: { readonly kind: "nothing" | "form" | "fault" }) {
  switch (kind) {
    case "nothing":
      return (
        <Outcome
          title="There is nothing here"
          tone="plain"
          body={
            <OutcomeText href="/inbox" link="Your inbox">
              What waits for you to decide is in your inbox, and behind the links that you were sent.
            </OutcomeText>
          }
        />
      );
    case "form":
      return (
        <Outcome
          title="This page is shown by another"
          tone="plain"
          body={
            <OutcomeText href="/inbox" link="Your inbox">
              By its address alone there is nothing to show, and nothing was changed. Open the link that you were sent
              again, or your inbox.
            </OutcomeText>
          }
        />
      );
    case "fault":
      return (
        <Outcome
          title="Stint cannot answer now"
          tone="warn"
          body={
            <OutcomeText href="/inbox" link="Your inbox">
              A part of it did not answer. What you did last may have been done, or not: wait a moment, then open your
              link again, or your inbox, and look.
            </OutcomeText>
          }
        />
      );
  }
}
