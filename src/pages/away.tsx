import { Layout } from "./layout.tsx";
import { Moment } from "./time.tsx";

/** A time in which somebody stands in, epoch seconds. */
export interface AwayItem {
  readonly from: number;
  readonly until: number;
  readonly delegateName: string;
}

export interface AwayProps {
  readonly personName: string;
  readonly csrf: string;
  /** What is in force or still comes. */
  readonly absences: readonly AwayItem[];
  /** Who could stand in. */
  readonly standIns: readonly { readonly id: string; readonly name: string }[];
  /** Epoch seconds. */
  readonly now: number;
  /** What was filled in before. */
  readonly filled: Readonly<Record<"from" | "until" | "delegate", string | undefined>>;
  /** Why that cannot be. */
  readonly problem: string | undefined;
}

const DAY_SECONDS = 24 * 3600;

/** When one approver is away, and who decides in their place meanwhile. */
export function Away({ personName, csrf, absences, standIns, now, filled, problem }: AwayProps) {
  return (
    <Layout title="When you are away" person={personName} home="/inbox/away">
      <section class="card" aria-labelledby="away">
        <h1 id="away">When you are away</h1>
        <p>
          Another approver can be asked about requests in your place. They decide in their own name, under the same
          demands, and never about an agent of their own. What waits already stays with you.
        </p>
        {absences.map((absence) => (
          <article class="group">
            <h2>
              <bdi>{absence.delegateName}</bdi> {absence.from <= now ? "stands in for you" : "will stand in for you"}
            </h2>
            <p>
              From <Moment at={absence.from} /> until <Moment at={absence.until} />.
            </p>
          </article>
        ))}
        {absences.length > 0 && (
          <form method="post" action="/inbox/away/end">
            <input type="hidden" name="csrf" value={csrf} />
            <button type="submit" class="quiet">
              End it: I am back
            </button>
          </form>
        )}
      </section>
      <section class="card" aria-labelledby="begin">
        <h2 id="begin">{absences.length === 0 ? "Have somebody stand in" : "Change it"}</h2>
        {problem !== undefined && (
          <p class="problem" role="alert">
            That cannot be: {problem}.
          </p>
        )}
        {standIns.length === 0 ? (
          <p class="nothing">There is no other approver here who could.</p>
        ) : (
          <form method="post" action="/inbox/away/begin">
            <input type="hidden" name="csrf" value={csrf} />
            <label class="field">
              <span>Stand-in</span>
              <select name="delegate" required>
                <option value="">Choose somebody</option>
                {standIns.map(({ id, name }) => (
                  <option value={id} selected={id === filled.delegate}>
                    {name} ({id})
                  </option>
                ))}
              </select>
            </label>
            <TimeField label="From" name="from" value={filled.from ?? fieldTime(now)} />
            <TimeField label="Until" name="until" value={filled.until ?? fieldTime(now + DAY_SECONDS)} />
            <p class="hint">
              <span id="zone">Both in UTC, where it is {fieldTime(now).slice(11)} now.</span> Thirty days at most. You
              are both told.
            </p>
            <div class="actions">
              <button type="submit">Let them stand in</button>
            </div>
          </form>
        )}
      </section>
      <p>
        <a href="/inbox">Your inbox</a>
      </p>
    </Layout>
  );
}

interface TimeFieldProps {
  readonly label: string;
  readonly name: string;
  readonly value: string;
}

function TimeField({ label, name, value }: TimeFieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input type="datetime-local" name={name} value={value} data-utc="" required />
    </label>
  );
}

/** A moment as a field of type `datetime-local` has it. */
function fieldTime(at: number): string {
  return new Date(at * 1000).toISOString().slice(0, 16);
}
