import { Layout } from "./layout.tsx";

export interface AuthorizeBeginProps {
  /** The host of a client that is known by its metadata document, or its registered name. */
  readonly clientName: string;
  readonly clientId: string;
  readonly returnsTo: string;
  readonly resource: string | undefined;
  readonly lines: readonly string[];
  /** The authorization request as the browser brought it. */
  readonly query: string;
  readonly person: string;
}

/** What a client wants, and the question who is here to decide it. */
export function AuthorizeBegin(props: AuthorizeBeginProps) {
  const { clientName, clientId, returnsTo, resource, lines, query, person } = props;
  return (
    <Layout title="Authorize">
      <form class="card" method="post" action="/oauth/authorize">
        <h1>{clientName} asks for access</h1>
        <dl class="facts">
          <div>
            <dt>Client</dt>
            <dd>{clientId}</dd>
          </div>
          <div>
            <dt>Returns to</dt>
            <dd>{returnsTo}</dd>
          </div>
          {resource !== undefined && (
            <div>
              <dt>Good at</dt>
              <dd>{resource}</dd>
            </div>
          )}
          <div>
            <dt>Wants to</dt>
            <dd>{lines.join("\n")}</dd>
          </div>
        </dl>
        <label class="field">
          <span>You are</span>
          <input
            type="text"
            name="person"
            value={person}
            required
            maxlength={200}
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            placeholder="you@company.example"
          />
        </label>
        <input type="hidden" name="query" value={query} />
        <div class="actions">
          <button type="submit">Send me the approval link</button>
        </div>
        <p class="hint">
          Nothing is granted yet. The link comes by Slack or mail, shows exactly what is asked, and works in this
          browser only. If you did not start this, close the page.
        </p>
      </form>
    </Layout>
  );
}
