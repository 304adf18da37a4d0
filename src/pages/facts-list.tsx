import type { Facts } from "../domain/facts.ts";

/** Stint's own facts, as a list of names and values. */
export function FactsList({ facts, without }: { facts: Facts; without: readonly string[] }) {
  return (
    <dl class="facts">
      {facts.rows
        .filter(({ label }) => !without.includes(label))
        .map(({ label, value }) => (
          <div>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** What makes a request more dangerous than others. */
export function Warnings({ facts }: { facts: Facts }) {
  return (
    <>
      {facts.warnings.map((warning) => (
        <p class="banner" role="note">
          {warning}
        </p>
      ))}
    </>
  );
}

/** The agent's prose: last, quoted, labelled, and never more than a box. */
export function AgentWords({ facts }: { facts: Facts }) {
  return (
    <section class="quotes" aria-labelledby="agent-words">
      <h2 id="agent-words">In the agent's own words</h2>
      <p class="unchecked">Stint has not checked any of this.</p>
      {facts.quotes.map(({ label, text }) => (
        <figure>
          <figcaption>{label}</figcaption>
          <blockquote tabindex={0}>{text}</blockquote>
        </figure>
      ))}
    </section>
  );
}
