import { matchCode } from "../crypto/session-handle.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import { isSessionId } from "../domain/ids.ts";
import { AuthorizeWait } from "../pages/authorize-wait.tsx";
import type { Form } from "../protocol/body.ts";
import { checkView, csrfToken } from "./browser-view.ts";
import type { Handling } from "./http.ts";
import { page } from "./page.ts";

/**
 * What a browser waits for, and where it goes on then. Its page carries all of it, for a session that
 * there is and for one that there is not: by what a browser is shown, nobody learns which it is.
 */
export interface Waiting {
  readonly sessionId: string;
  readonly redirectUri: string;
  /** The client's, as it came. */
  readonly state: string | undefined;
  /** When the request can no longer be decided, epoch seconds. */
  readonly until: number;
}

/** @param view of the browser that waits */
export function waitPage(c: Handling, waiting: Waiting, view: string): Response {
  const { root, issuer } = c.var.tenant;
  const { sessionId, redirectUri, state, until } = waiting;
  const redirect = new URL(redirectUri);
  return page(
    c,
    <AuthorizeWait
      matchCode={matchCode(root, issuer, sessionId)}
      returnsTo={redirect.host}
      carried={{
        session: sessionId,
        redirect_uri: redirectUri,
        state: state ?? "",
        until: String(until),
        csrf: csrfToken(c, view, aboutOf(waiting)),
      }}
      requestExpiresAt={until}
    />,
    200,
    redirect.origin,
  );
}

/** What the page carried, if it is as it was, and in the same browser. */
export function readWaiting(c: Handling, form: Form): { readonly waiting: Waiting; readonly view: string } | undefined {
  const waiting: Waiting = {
    sessionId: form.get("session") ?? "",
    redirectUri: form.get("redirect_uri") ?? "",
    state: form.get("state"),
    until: Number(form.get("until")),
  };
  const view = checkView(c, form.get("csrf"), aboutOf(waiting));
  return view !== undefined && isSessionId(waiting.sessionId) ? { waiting, view } : undefined;
}

function aboutOf({ sessionId, redirectUri, state, until }: Waiting): string {
  return `wait ${canonicalJson([sessionId, redirectUri, state ?? null, until])}`;
}
