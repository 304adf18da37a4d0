import type { Child } from "hono/jsx";
import { Layout } from "./layout.tsx";

export interface OutcomeProps {
  readonly title: string;
  readonly tone: "good" | "plain" | "warn";
  /** What happened, and what to do next. */
  readonly body: Child;
}

/** The frame of every page that only says how something ended. */
export function Outcome({ title, tone, body }: OutcomeProps) {
  return (
    <Layout title={title}>
      <section class={`card outcome ${tone}`} aria-labelledby="outcome">
        <h1 id="outcome">{title}</h1>
        {body}
      </section>
    </Layout>
  );
}

/** What is said of an outcome, and where to go from there. */
export function OutcomeText({ children, href, link }: { children: Child; href: string; link: string }) {
  return (
    <>
      <p>{children}</p>
      <p>
        <a href={href}>{link}</a>
      </p>
    </>
  );
}
