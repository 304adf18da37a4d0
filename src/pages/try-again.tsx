import type { OutcomeProps } from "./outcome.tsx";

/** What kept a decision or a review from being taken, and can be mended on the page before. */
export type Mendable =
  | "nothing_left"
  | "not_signed"
  | "not_signed_in"
  | "wrong_code"
  | "too_many_codes"
  | "no_comment"
  | "just_cut_off";

interface Words {
  readonly title: string;
  readonly text: string;
  readonly button: string;
}

const WORDS: Readonly<Record<Mendable, Words>> = {
  nothing_left: {
    title: "Nothing is left to approve",
    text: "You unticked everything. Go back to keep something, or to deny.",
    button: "Back",
  },
  not_signed: {
    title: "Your passkey did not sign this",
    text: "The signature did not hold, was by another passkey than yours, or took longer than two minutes. Nothing was approved.",
    button: "Look again",
  },
  not_signed_in: {
    title: "Sign in once more",
    text: "Approving this needs a sign-in at your identity provider a short while ago, and there is none in this browser any more. Nothing was approved.",
    button: "Back to the request",
  },
  wrong_code: {
    title: "That is not the code",
    text: "Type the code that the agent shows you. If it shows none, or shows another, this is not the request that you expect: go back and deny it.",
    button: "Back",
  },
  too_many_codes: {
    title: "Too many wrong codes",
    text: "Nobody can approve this request any more. Deny it, and let the agent ask again if you expect it to.",
    button: "Back to the request",
  },
  no_comment: {
    title: "Say what you found",
    text: "A review needs a word of what you found, if only that all was well.",
    button: "Back",
  },
  just_cut_off: {
    title: "Approve it once more",
    text: "All that you had approved was revoked a moment ago, and this would have been revoked with it. Nothing was approved. If it was not you or an admin who revoked it, ask one.",
    button: "Back to the request",
  },
};

/** @param token of the link, which leads back */
export function tryAgain(kind: Mendable, token: string): OutcomeProps {
  const { title, text, button } = WORDS[kind];
  return {
    title,
    tone: kind === "nothing_left" ? "plain" : "warn",
    body: (
      <form method="post" action={kind === "no_comment" ? "/approve/watch" : "/approve/view"}>
        <p>{text}</p>
        <input type="hidden" name="token" value={token} />
        <button type="submit">{button}</button>
      </form>
    ),
  };
}
