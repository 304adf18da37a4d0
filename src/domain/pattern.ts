/** A compiled pattern: whether a unit is covered by it. */
export type Matcher = (unit: string) => boolean;

/**
 * Compiles a policy's `allow` pattern, in which `*` stands for any run of characters without `/`.
 * Matching walks the text once per `*` and never backtracks further, so no pattern is slow.
 */
export function compilePattern(pattern: string): Matcher {
  return compileWith(pattern, (run) => !run.includes("/"));
}

/** Compiles patterns of which one has to cover a unit. */
export function compilePatterns(patterns: readonly string[]): Matcher {
  const matchers = patterns.map(compilePattern);
  return (unit) => matchers.some((matches) => matches(unit));
}

/**
 * Compiles a pattern of what is to be guarded better. It errs on the wide side: `*` crosses `/`, and
 * case does not matter, because to some upstreams `Acme/Prod` and `acme/prod` are the same place.
 */
export function compileGuardPattern(pattern: string): Matcher {
  const matches = compileWith(pattern.toLowerCase(), () => true);
  return (unit) => matches(unit.toLowerCase());
}

function compileWith(pattern: string, mayStandFor: (run: string) => boolean): Matcher {
  const parts = pattern.split("*");
  if (parts.length === 1) return (unit) => unit === pattern;
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  const middle = parts.slice(1, -1);
  return (unit) => {
    if (unit.length < first.length + last.length) return false;
    if (!unit.startsWith(first) || !unit.endsWith(last)) return false;
    const end = unit.length - last.length;
    let at = first.length;
    for (const part of middle) {
      const found = unit.indexOf(part, at);
      if (found === -1 || found + part.length > end || !mayStandFor(unit.slice(at, found))) return false;
      at = found + part.length;
    }
    return mayStandFor(unit.slice(at, end));
  };
}
