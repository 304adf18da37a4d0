import { reachesEverywhere, type Enforcement } from "../domain/facts.ts";

/** A unit of access as a page shows it. */
export interface UnitLine {
  readonly unit: string;
  readonly line: string;
  readonly access: "read" | "write";
  readonly enforcedBy: Enforcement;
}

/** What writes comes first, under the names that the facts have for it. */
const GROUPS = [
  { access: "write", label: "May write" },
  { access: "read", label: "May read" },
] as const;

/** The units of a request, each with a box to untick. Ticked ones are posted as `unit.N`. */
export function UnitChoices({ units }: { units: readonly UnitLine[] }) {
  const named = units.map((unit, at) => ({ unit, name: `unit.${at}` }));
  return (
    <>
      {GROUPS.map(({ access, label }) => {
        const held = named.filter(({ unit }) => unit.access === access);
        return (
          <fieldset class={`group ${access}`}>
            <legend>{label}</legend>
            {held.length === 0 && <p class="nothing">nothing</p>}
            {held.map(({ unit, name }) => (
              <label class="choice">
                <input type="checkbox" name={name} value={unit.unit} checked />
                <UnitText unit={unit} />
              </label>
            ))}
          </fieldset>
        );
      })}
    </>
  );
}

/** The units of a grant, as they are. */
export function UnitList({ units }: { units: readonly UnitLine[] }) {
  return (
    <>
      {GROUPS.map(({ access, label }) => {
        const held = units.filter((unit) => unit.access === access);
        return (
          <section class={`group ${access}`} aria-labelledby={`may-${access}`}>
            <h2 id={`may-${access}`}>{label}</h2>
            {held.length === 0 && <p class="nothing">nothing</p>}
            {held.length > 0 && (
              <ul class="lines">
                {held.map((unit) => (
                  <li>
                    <UnitText unit={unit} />
                  </li>
                ))}
              </ul>
            )}
          </section>
        );
      })}
    </>
  );
}

const ENFORCED: Readonly<Record<Enforcement, string>> = {
  upstream: "enforced by the upstream and by Stint",
  scope: "the upstream enforces its scopes, Stint the rest",
  proxy: "enforced by Stint's proxy alone",
  upstream_alone: "enforced by the upstream alone: a server may be handed its token",
  server: "enforced by the server that gets the token",
  local_server: "enforced by nobody but the program itself, on the agent's own machine",
};

/** What a line says of a unit, and who sees to it that it stays that. */
function UnitText({ unit }: { unit: UnitLine }) {
  return (
    <span class="unit">
      <bdi>{unit.line}</bdi>
      <small>{ENFORCED[unit.enforcedBy]}</small>
      {reachesEverywhere(unit.unit) && <small>not limited by location</small>}
    </span>
  );
}
