import type { Enforcement } from "../domain/facts.ts";

/** One thing that may be granted, as a line. */
export interface UnitLine {
  readonly unit: string;
  readonly line: string;
  readonly access: "read" | "write";
  readonly enforcedBy: Enforcement;
}

const ENFORCED: Readonly<Record<Enforcement, string>> = {
  upstream: "enforced by the upstream and by Stint",
  proxy: "enforced by Stint's proxy alone",
  server: "enforced by the server that gets the token",
};

/** What a line says of a unit: whether it writes, and who sees to it that it stays that. */
export function UnitText({ unit }: { unit: UnitLine }) {
  return (
    <span class="unit">
      <span class={`tag ${unit.access}`}>{unit.access === "write" ? "Write" : "Read"}</span> <span>{unit.line}</span>
      <small>{ENFORCED[unit.enforcedBy]}</small>
    </span>
  );
}
