import { Layout } from "./layout.tsx";
import { Moment } from "./time.tsx";

/** One upstream at which a person links an account of their own. */
export interface AccountItem {
  readonly upstream: string;
  readonly host: string;
  /** What can be done with it, in the catalogue's words. */
  readonly operations: readonly string[];
  /** Epoch seconds; undefined while none is linked. */
  readonly linkedAt: number | undefined;
  readonly broken: string | undefined;
}

export interface AccountsProps {
  readonly personName: string;
  readonly csrf: string;
  readonly accounts: readonly AccountItem[];
}

/** What one person lets sessions use that work for them. */
export function Accounts({ personName, csrf, accounts }: AccountsProps) {
  return (
    <Layout title="Linked accounts" person={personName} home="/accounts">
      <section class="card" aria-labelledby="accounts">
        <h1 id="accounts">Linked accounts</h1>
        <p>
          Sessions that work for you can use these, each only after somebody approved it, and only for what was
          approved. You are told of each.
        </p>
        {accounts.map((account) => (
          <Account account={account} csrf={csrf} />
        ))}
        {accounts.length === 0 && <p class="nothing">There is nothing here to link.</p>}
      </section>
      <p>
        <a href="/inbox">Your inbox</a>
      </p>
    </Layout>
  );
}

function Account({ account, csrf }: { readonly account: AccountItem; readonly csrf: string }) {
  const { upstream, host, operations, linkedAt, broken } = account;
  const isLinked = linkedAt !== undefined;
  return (
    <article class="group">
      <h2>
        {upstream} <span class="hint">{host}</span>
      </h2>
      <p>{statusOf(account)}</p>
      {isLinked && (
        <p class="hint">
          Linked <Moment at={linkedAt} />.
        </p>
      )}
      <ul class="lines">
        {operations.map((title) => (
          <li>{title}</li>
        ))}
      </ul>
      <div class="actions">
        <AccountForm action="/accounts/link" upstream={upstream} csrf={csrf} quiet={isLinked && broken === undefined}>
          {isLinked ? "Link anew" : "Link your account"}
        </AccountForm>
        {isLinked && (
          <AccountForm action="/accounts/unlink" upstream={upstream} csrf={csrf} quiet>
            Unlink
          </AccountForm>
        )}
      </div>
    </article>
  );
}

interface AccountFormProps {
  readonly action: string;
  readonly upstream: string;
  readonly csrf: string;
  readonly quiet: boolean;
  readonly children: string;
}

function AccountForm({ action, upstream, csrf, quiet, children }: AccountFormProps) {
  return (
    <form method="post" action={action}>
      <input type="hidden" name="upstream" value={upstream} />
      <input type="hidden" name="csrf" value={csrf} />
      <button type="submit" class={quiet ? "quiet" : undefined} aria-label={`${children}: ${upstream}`}>
        {children}
      </button>
    </form>
  );
}

function statusOf({ linkedAt, broken }: AccountItem): string {
  if (broken !== undefined) return `Not usable: ${broken}. Link it anew.`;
  return linkedAt === undefined ? "Not linked." : "Linked.";
}
