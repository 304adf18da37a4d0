import type { Child } from "hono/jsx";
import { Outcome, OutcomeText, type OutcomeProps } from "./outcome.tsx";

export type AccountOutcomeProps =
  | { readonly kind: "linked" | "unlinked"; readonly upstream: string }
  | { readonly kind: "forbidden" | "mixed_up" | "refused" | "not_lasting" | "unavailable" };

/** How linking or unlinking an account ends, and what to do next. */
export function AccountOutcome(props: AccountOutcomeProps) {
  return <Outcome {...describe(props)} />;
}

function describe(props: AccountOutcomeProps): OutcomeProps {
  switch (props.kind) {
    case "linked":
      return {
        title: "Linked",
        tone: "good",
        body: <Back>Sessions that work for you can use your account at {props.upstream} once they are approved.</Back>,
      };
    case "unlinked":
      return {
        title: "Unlinked",
        tone: "plain",
        body: (
          <Back>
            It is forgotten here, sessions that used your account at {props.upstream} give back what they hold, and the
            upstream is told where it can be.
          </Back>
        ),
      };
    case "forbidden":
      return {
        title: "This was not begun here",
        tone: "warn",
        body: (
          <Back>
            It was begun in another browser or by somebody else, took longer than ten minutes, or was finished before.
            Nothing was linked.
          </Back>
        ),
      };
    case "mixed_up":
      return {
        title: "This answer belongs to another upstream",
        tone: "warn",
        body: <Back>Two servers may have been mixed up. Nothing was linked.</Back>,
      };
    case "refused":
      return {
        title: "Nothing was linked",
        tone: "warn",
        body: <Back>The upstream, or you there, said no.</Back>,
      };
    case "not_lasting":
      return {
        title: "Nothing was linked",
        tone: "warn",
        body: (
          <Back>The upstream gave no lasting access (no refresh token). An admin finds how to ask for it there.</Back>
        ),
      };
    case "unavailable":
      return {
        title: "The upstream cannot be reached",
        tone: "warn",
        body: <Back>Nothing was linked. Try again in a minute.</Back>,
      };
  }
}

function Back({ children }: { readonly children: Child }) {
  return (
    <OutcomeText href="/accounts" link="Linked accounts">
      {children}
    </OutcomeText>
  );
}
