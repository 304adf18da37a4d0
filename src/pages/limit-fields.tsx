import type { Place } from "../domain/access.ts";
import { placeName } from "../domain/facts.ts";
import { LIMIT_NAMES, type LimitName, type Limits } from "../domain/limits.ts";

/** What may be used of one upstream or server, to be lowered. */
export interface PlaceLimits {
  readonly place: Place;
  readonly limits: Limits;
}

const LABELS: Readonly<Record<LimitName, string>> = {
  calls: "Calls",
  writes: "Writes",
  bytes: "Bytes",
  units: "Cost units",
};

/** The name under which a limit is posted. */
export function limitField(place: Place, name: LimitName): string {
  return `limit.${place}.${name}`;
}

/** How much of each upstream and server, folded away: most approvers look at what was asked for, which the facts say. */
export function LimitFields({ places }: { places: readonly PlaceLimits[] }) {
  if (places.length === 0) return <></>;
  return (
    <details class="lower">
      <summary>Limit how much it may use</summary>
      {places.map(({ place, limits }) => (
        <fieldset class="group">
          <legend>{placeName(place)}, in all</legend>
          {LIMIT_NAMES.map((name) => (
            <label class="field">
              <span>{LABELS[name]}</span>
              <input
                type="number"
                name={limitField(place, name)}
                min="1"
                max={limits[name] === undefined ? undefined : String(limits[name])}
                value={limits[name] === undefined ? "" : String(limits[name])}
                placeholder="no limit"
                inputmode="numeric"
              />
            </label>
          ))}
        </fieldset>
      ))}
      <p class="hint">Limits can only be lowered. An empty field changes nothing.</p>
    </details>
  );
}
