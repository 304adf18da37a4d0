import { Layout } from "./layout.tsx";
import { Countdown, Moment } from "./time.tsx";

/** One session in the inbox. */
export interface InboxItem {
  readonly sessionId: string;
  readonly agentName: string;
  /** What it asks for, or may do, a line each. */
  readonly lines: readonly string[];
  /** The agent's words. */
  readonly task: string;
  /** When it can no longer be decided, or ends; epoch seconds. */
  readonly until: number;
}

export interface InboxProps {
  readonly personName: string;
  readonly csrf: string;
  readonly waiting: readonly InboxItem[];
  readonly working: readonly InboxItem[];
  /** Uses of broken glass that this person may review. */
  readonly reviews: readonly InboxItem[];
  /** Requests that the page has no room for. */
  readonly hidden: number;
  /** Whether there is anything to link here. */
  readonly hasAccounts: boolean;
  /** Whether this person decides, and so may have somebody stand in. */
  readonly decides: boolean;
  /** Until when they are away now, epoch seconds. */
  readonly awayUntil: number | undefined;
}

/** What waits for one person, and what they let work. Each is looked at on a page of its own; nothing is decided here. */
export function Inbox(props: InboxProps) {
  const { personName, csrf, waiting, working, reviews, hidden, hasAccounts, decides, awayUntil } = props;
  return (
    <Layout title="Inbox" person={personName} home="/inbox">
      <section class="card" aria-labelledby="waiting">
        <h1 id="waiting">{headingOf(waiting.length + hidden, reviews.length)}</h1>
        {waiting.map((item) => (
          <Entry heading="h2" item={item} csrf={csrf} expires="Expires" button="Look at it" />
        ))}
        {waiting.length === 0 && <p class="nothing">When an agent asks for access that you may decide, it is here.</p>}
        {hidden > 0 && <p class="hint">{hidden} more come as you decide these.</p>}
      </section>
      {working.length > 0 && (
        <section class="card" aria-labelledby="working">
          <h2 id="working">At work, approved by you</h2>
          {working.map((item) => (
            <Entry heading="h3" item={item} csrf={csrf} expires="Ends" button="Watch or end it" />
          ))}
        </section>
      )}
      {reviews.length > 0 && (
        <section class="card" aria-labelledby="reviews">
          <h2 id="reviews">Decided by an admin alone</h2>
          <p class="hint">
            You were asked about these, and somebody else than that admin has to look at what was done.
          </p>
          {reviews.map((item) => (
            <Entry heading="h3" item={item} csrf={csrf} expires="To be reviewed" button="Review it" />
          ))}
        </section>
      )}
      {decides && awayUntil !== undefined && (
        <p class="banner">
          You are away until <Moment at={awayUntil} />; somebody else may decide in your place.{" "}
          <a href="/inbox/away">Change it</a>
        </p>
      )}
      {decides && awayUntil === undefined && (
        <p>
          <a href="/inbox/away">When you are away</a>
        </p>
      )}
      {hasAccounts && (
        <p>
          <a href="/accounts">Linked accounts</a>
        </p>
      )}
      <form method="post" action="/sign-out">
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </Layout>
  );
}

function headingOf(count: number, reviews: number): string {
  if (count === 0) return reviews === 0 ? "Nothing waits for you" : "No request waits for you";
  return count === 1 ? "One request waits for you" : `${count} requests wait for you`;
}

interface EntryProps {
  readonly heading: "h2" | "h3";
  readonly item: InboxItem;
  readonly csrf: string;
  readonly expires: string;
  readonly button: string;
}

function Entry({ heading: Heading, item, csrf, expires, button }: EntryProps) {
  return (
    <article class="group">
      <Heading>{item.agentName}</Heading>
      <ul class="lines">
        {item.lines.map((line) => (
          <li>
            <bdi>{line}</bdi>
          </li>
        ))}
      </ul>
      <figure>
        <figcaption>The agent's words</figcaption>
        <blockquote>
          <bdi>{item.task}</bdi>
        </blockquote>
      </figure>
      <p class="hint">
        {expires} <Countdown at={item.until} />.
      </p>
      <form method="post" action="/inbox/open">
        <input type="hidden" name="session" value={item.sessionId} />
        <input type="hidden" name="csrf" value={csrf} />
        <button type="submit" class="quiet" aria-label={`${button}: ${item.agentName}`}>
          {button}
        </button>
      </form>
    </article>
  );
}
