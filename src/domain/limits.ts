/** What can be limited, in the order in which it is stated and checked. */
export const LIMIT_NAMES = ["calls", "writes", "bytes", "units"] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/**
 * How much of one upstream a session may use in all. Absent is unlimited.
 *
 * - `calls`: operations carried out; each root field of a GraphQL document and each call of a JSON-RPC batch is one
 * - `writes`: those among them that write
 * - `bytes`: of bodies, both ways together
 * - `units`: the cost units that the catalogue declares for each operation, one where it says nothing
 */
export type Limits = { readonly [name in LimitName]?: number | undefined };

/** What was used, by the same measures. */
export type Usage = { readonly [name in LimitName]: number };

export const NOTHING_USED: Usage = { calls: 0, writes: 0, bytes: 0, units: 0 };

/** Why a call is refused that the grant would have allowed earlier. In this session it never becomes possible again. */
export interface LimitReached {
  readonly limit: LimitName;
  readonly limits: Limits;
  readonly left: Limits;
}

/** The smaller of each: what holds when several limits hold at once. */
export function tightest(all: readonly (Limits | undefined)[]): Limits {
  return merge(all, (values) => (values.length === 0 ? undefined : Math.min(...values)));
}

/** The larger of each, and none where one of them has none: what holds when any of them may be used. */
export function loosest(all: readonly (Limits | undefined)[]): Limits {
  return merge(all, (values) => (values.length < all.length || all.length === 0 ? undefined : Math.max(...values)));
}

function merge(
  all: readonly (Limits | undefined)[],
  choose: (values: readonly number[]) => number | undefined,
): Limits {
  const merged: { [name in LimitName]?: number } = {};
  for (const name of LIMIT_NAMES) {
    const chosen = choose(all.flatMap((limits) => limits?.[name] ?? []));
    if (chosen !== undefined) merged[name] = chosen;
  }
  return merged;
}

/** Whether `inner` allows no more than `outer`: leaving a limit out is wider than any number. */
export function areWithin(inner: Limits, outer: Limits): boolean {
  return LIMIT_NAMES.every((name) => {
    const most = outer[name];
    return most === undefined || (inner[name] ?? Infinity) <= most;
  });
}

export function sum(used: Usage, more: Partial<Usage>): Usage {
  const add = (name: LimitName): number => used[name] + (more[name] ?? 0);
  return { calls: add("calls"), writes: add("writes"), bytes: add("bytes"), units: add("units") };
}

/** The first limit that a usage is over, if it is over one. */
export function exceeded(limits: Limits, used: Usage): LimitName | undefined {
  return LIMIT_NAMES.find((name) => used[name] > (limits[name] ?? Infinity));
}

/** What is left of each limit that there is. */
export function leftOf(limits: Limits, used: Usage): Limits {
  return Object.fromEntries(
    LIMIT_NAMES.flatMap((name) => {
      const most = limits[name];
      return most === undefined ? [] : [[name, Math.max(0, most - used[name])]];
    }),
  );
}

const UNITS: Readonly<Record<LimitName, readonly [one: string, many: string]>> = {
  calls: ["call", "calls"],
  writes: ["write", "writes"],
  bytes: ["byte", "bytes"],
  units: ["cost unit", "cost units"],
};

/** `200 calls, 20 writes, 1,000,000 bytes`; empty where there is no limit. */
export function formatLimits(limits: Limits): string {
  return LIMIT_NAMES.flatMap((name) => {
    const most = limits[name];
    return most === undefined ? [] : `${groupDigits(most)} ${UNITS[name][most === 1 ? 0 : 1]}`;
  }).join(", ");
}

/** Millions are told from billions by eye, alike in every place. */
function groupDigits(value: number): string {
  return String(value).replaceAll(/(?<=\d)(?=(?:\d{3})+$)/g, ",");
}

/** `12 of 200 calls, 3 of 20 writes`: how far each limit is used up; empty where there is none. */
export function formatUsage(limits: Limits, used: Usage): string {
  return LIMIT_NAMES.flatMap((name) => {
    const most = limits[name];
    return most === undefined ? [] : `${groupDigits(used[name])} of ${groupDigits(most)} ${UNITS[name][1]}`;
  }).join(", ");
}
