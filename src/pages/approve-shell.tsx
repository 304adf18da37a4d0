import { Layout } from "./layout.tsx";

/** What GET /approve shows to whoever asks, scanners among them: nothing of any request. */
export function ApproveShell() {
  return (
    <Layout title="Approval">
      <section class="card" id="shell">
        <h1>Approval request</h1>
        <p id="shell-status" role="status">
          Opening your approval request…
        </p>
        <noscript>
          <p>
            This page needs JavaScript for one step: to take the signed token out of the link's address, so that no
            server log sees it.
          </p>
        </noscript>
        <form id="enter" method="post" action="/approve/view" hidden>
          <input type="hidden" name="token" value="" />
          <button type="submit">Continue</button>
        </form>
      </section>
    </Layout>
  );
}
