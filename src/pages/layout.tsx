import type { Child } from "hono/jsx";

/** The frame of every page. The title never names a task: it shows in tabs, histories and previews. */
export function Layout({ title, children }: { title: string; children?: Child }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>{title} · Stint</title>
        <link rel="stylesheet" href="/assets/stint.css" />
        <link rel="icon" href="data:," />
        <script src="/assets/approve.js" defer></script>
      </head>
      <body>
        <header class="bar">
          <span class="mark">Stint</span>
          <span class="claim">access for one task</span>
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}
