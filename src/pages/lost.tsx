import { Outcome, OutcomeText } from "./outcome.tsx";

/** What a person reads where nothing is, or where a part of Stint did not answer. */
export function Lost({ kind }: { readonly kind: "nothing" | "fault" }) {
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
