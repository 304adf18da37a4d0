import type { Child } from "hono/jsx";
import { FAVICON } from "./favicon.ts";

export interface LayoutProps {
  /** Never names a task: it shows in tabs, histories and previews. */
  readonly title: string;
  /** In whose name this page can decide, where it can. */
  readonly person?: string;
  /** The address that leads here by GET, where a form did. */
  readonly home?: string | undefined;
  readonly children?: Child;
}

/** The frame of every page. */
export function Layout({ title, person, home, children }: LayoutProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>{title} · Stint</title>
        <link rel="stylesheet" href="/assets/stint.css" />
        <link rel="icon" href={FAVICON} />
        <script src="/assets/approve.js" defer></script>
      </head>
      <body data-home={home}>
        <header class="bar">
          <span class="wordmark">
            <Mark />
            Stint
          </span>
          {person !== undefined && (
            <span class="who">
              Deciding as <bdi>{person}</bdi>
            </span>
          )}
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}

/** A clock face with a part of its hour set aside. */
function Mark() {
  return (
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <circle cx="10" cy="10" r="8" fill="none" stroke="currentColor" stroke-width="2" />
      <path d="M10 10V4.5a5.5 5.5 0 0 1 5.5 5.5z" fill="currentColor" />
    </svg>
  );
}
