import { Layout } from "./layout.tsx";

export interface ShellProps {
  readonly title: string;
  readonly heading: string;
  /** Where the token is posted. */
  readonly action: string;
}

/** What anybody may see who opens a link: nothing. The script reads the token from the fragment and posts it. */
export function Shell({ title, heading, action }: ShellProps) {
  return (
    <Layout title={title}>
      <section class="card" aria-labelledby="shell">
        <h1 id="shell">{heading}</h1>
        <p id="shell-status" role="status">
          Opening your link…
        </p>
        <noscript>
          <p>
            This page needs JavaScript for one step: to take the signed token out of the link's address, so that no
            server log sees it. Allow JavaScript for this site and open the link again.
          </p>
        </noscript>
        <form id="enter" method="post" action={action} autocomplete="off" hidden>
          <input type="hidden" name="token" value="" />
        </form>
      </section>
    </Layout>
  );
}
