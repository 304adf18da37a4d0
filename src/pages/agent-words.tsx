import type { Facts } from "../domain/facts.ts";

/**
 * The agent's prose: last, quoted, labelled, and never more than a box. It is text alone, so nothing
 * in it can be pressed; a box that scrolls takes the focus, so that a keyboard can scroll it.
 */
export function AgentWords({ facts }: { facts: Facts }) {
  return (
    <section class="card words" aria-labelledby="agent-words">
      <h2 id="agent-words">In the agent's own words</h2>
      <p class="hint">Stint has not checked any of this.</p>
      {facts.quotes.map(({ label, text }, at) => (
        <figure>
          <figcaption id={`quote-${at}`}>{label}</figcaption>
          <blockquote tabindex={0} dir="auto" aria-labelledby={`quote-${at}`}>
            {text}
          </blockquote>
        </figure>
      ))}
    </section>
  );
}
