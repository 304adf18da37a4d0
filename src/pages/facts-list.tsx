import type { Facts } from "../domain/facts.ts";

export interface FactsListProps {
  readonly facts: Facts;
  /** Labels of the rows that the page shows elsewhere. */
  readonly without: readonly string[];
}

/** Stint's own facts, as a list of names and values. */
export function FactsList({ facts, without }: FactsListProps) {
  return (
    <dl class="facts">
      {facts.rows
        .filter(({ label }) => !without.includes(label))
        .map(({ label, value }) => (
          <div>
            <dt>{label}</dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
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
