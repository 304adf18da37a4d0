import { LIMIT_NAMES, type LimitName, type Limits } from "../domain/limits.ts";

/** What may be used of one upstream, to be lowered. */
export interface UpstreamLimits {
  readonly upstream: string;
  readonly limits: Limits;
}

const LABELS: Readonly<Record<LimitName, string>> = {
  calls: "Calls",
  writes: "Writes",
  bytes: "Bytes",
  units: "Cost units",
};

/** The name under which a limit is posted. */
export function limitField(upstream: string, name: LimitName): string {
  return `limit.${upstream}.${name}`;
}

/** How much of each upstream, folded away: most approvers look at what was asked for, which the facts say. */
export function LimitFields({ upstreams }: { upstreams: readonly UpstreamLimits[] }) {
  if (upstreams.length === 0) return <></>;
  return (
    <details class="lower">
      <summary>Limit how much it may use</summary>
      {upstreams.map(({ upstream, limits }) => (
        <fieldset class="group">
          <legend>{upstream}, in all</legend>
          {LIMIT_NAMES.map((name) => (
            <label class="field">
              <span>{LABELS[name]}</span>
              <input
                type="number"
                name={limitField(upstream, name)}
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
