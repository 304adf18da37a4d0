import type { OutcomeProps } from "./outcome.tsx";

/** A visit to the approval page that comes to nothing, and leads nowhere. */
export type RefusedVisit = "expired" | "invalid_link" | "not_permitted" | "changed" | "forbidden" | "other_browser";

const WORDS: Readonly<Record<RefusedVisit, { readonly title: string; readonly text: string }>> = {
  expired: {
    title: "This request has expired",
    text: "Nobody decided in time, so nothing was granted. If the task still matters, the agent has to ask again.",
  },
  invalid_link: {
    title: "This link is not valid",
    text: "It was altered or cut short, or what it led to is gone. Nothing was changed. Open it again from the message that you were sent.",
  },
  not_permitted: {
    title: "You may not decide this",
    text: "The trust policy does not, or no longer, name you for this request. Nothing was changed.",
  },
  changed: {
    title: "That was not what you were shown",
    text: "The decision did not fit the stored request, or its time has passed. Nothing was changed. Open the link again and look once more.",
  },
  forbidden: {
    title: "This did not come from the approval page",
    text: "Nothing was changed. Open the link from your message again, in one browser window, with cookies allowed.",
  },
  other_browser: {
    title: "Open this where you began",
    text: "This request was begun in another browser, and only there can it be approved. If it was not you who began it, deny it. Nothing was changed.",
  },
};

export function refusedVisit(kind: RefusedVisit): OutcomeProps {
  const { title, text } = WORDS[kind];
  return { title, tone: kind === "expired" ? "plain" : "warn", body: <p>{text}</p> };
}
