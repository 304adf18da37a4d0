/** One line of a graph. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Graph {
  readonly title: string;
  readonly xName: string;
  readonly yName: string;
  readonly lines: readonly Line[];
  /** Where the axis has marks; the points are at these too. */
  readonly xMarks: readonly number[];
  /** Both axes are logarithmic, or the horizontal one alone. */
  readonly logarithmic: "x" | "both";
}

const WIDTH = 760;
const HEIGHT = 380;
const PLOT = { left: 64, right: 520, top: 48, bottom: 324 };
const LABEL_GAP = 16;
const TICKS = 5;
/** Told apart by people who see fewer colours, on white and on black. */
const COLOURS = ["#d55e00", "#e69f00", "#009e73", "#0072b2", "#56b4e9", "#cc79a7"];

/** Draws a graph as SVG that is readable on light and on dark pages: what is not coloured follows the reader's scheme. */
export function drawGraph(graph: Graph): string {
  const ys = graph.lines.flatMap(({ points }) => points.map(([, y]) => y));
  const yMarks = graph.logarithmic === "both" ? powersOver(ys) : stepsOver(Math.max(...ys));
  const x = logScale(graph.xMarks, PLOT.left, PLOT.right);
  const y =
    graph.logarithmic === "both"
      ? logScale(yMarks, PLOT.bottom, PLOT.top)
      : (value: number): number => PLOT.bottom - (value / yMarks.at(-1)!) * (PLOT.bottom - PLOT.top);
  const ends = spread(graph.lines.map(({ points }) => y(points.at(-1)![1])));
  const parts = [
    ...yMarks.map(
      (mark) =>
        `<path class="grid" d="M${PLOT.left} ${at(y(mark))}H${PLOT.right}"/>${text(PLOT.left - 8, y(mark) + 4, "end", short(mark))}`,
    ),
    ...graph.xMarks.map((mark) => text(x(mark), PLOT.bottom + 20, "middle", short(mark))),
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 42, "middle", graph.xName),
    text(PLOT.left - 48, PLOT.top - 12, "start", graph.yName),
    ...graph.lines.map(({ name, points }, index) => drawLine(name, points, index, { x, y, labelY: ends[index]! })),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(graph.title)}">
<title>${escaped(graph.title)}</title>
<style>
svg { background: #fff; color: #1f2328; font: 13px system-ui, sans-serif; }
text { fill: currentColor; }
.grid { stroke: currentColor; stroke-opacity: .18; fill: none; }
.line { fill: none; stroke-width: 2.5; }
@media (prefers-color-scheme: dark) { svg { background: #0d1117; color: #e6edf3; } }
</style>
<text x="16" y="22" font-weight="600">${escaped(graph.title)}</text>
${parts.join("\n")}
</svg>
`;
}

function drawLine(
  name: string,
  points: Line["points"],
  index: number,
  { x, y, labelY }: { x: (value: number) => number; y: (value: number) => number; labelY: number },
): string {
  const colour = COLOURS[index % COLOURS.length]!;
  const places = points.map(([px, py]) => ({ x: at(x(px)), y: at(y(py)) }));
  const path = places.map((place, step) => `${step === 0 ? "M" : "L"}${place.x} ${place.y}`).join("");
  const dots = places.map((place) => `<circle cx="${place.x}" cy="${place.y}" r="3.5" fill="${colour}"/>`).join("");
  const last = places.at(-1)!;
  const leader = `<path d="M${Number(last.x) + 5} ${last.y}L${PLOT.right + 18} ${at(labelY)}" stroke="${colour}" stroke-opacity=".5"/>`;
  return `<path class="line" stroke="${colour}" d="${path}"/>${dots}${leader}${text(PLOT.right + 22, labelY + 4, "start", `${name}: ${short(points.at(-1)![1])}`)}`;
}

/** Labels that would lie over each other are pushed apart, and stay in the order of their lines. */
function spread(wanted: readonly number[]): number[] {
  const placed = [...wanted];
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]!);
  let free = -Infinity;
  for (const index of order) {
    placed[index] = Math.max(wanted[index]!, free);
    free = placed[index]! + LABEL_GAP;
  }
  const over = Math.max(0, free - LABEL_GAP - PLOT.bottom);
  return placed.map((place) => place - over);
}

function logScale(marks: readonly number[], from: number, to: number): (value: number) => number {
  const [low, high] = [Math.log(marks[0]!), Math.log(marks.at(-1)!)];
  return (value) => from + ((Math.log(value) - low) / (high - low)) * (to - from);
}

/** Round steps from 0 to at least the maximum. */
function stepsOver(maximum: number): number[] {
  const rough = maximum / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  return Array.from({ length: Math.ceil(maximum / step) + 1 }, (_, index) => index * step);
}

/** Powers of ten around the values. */
function powersOver(values: readonly number[]): number[] {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
}

function text(x: number, y: number, anchor: "start" | "middle" | "end", words: string): string {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}">${escaped(words)}</text>`;
}

function short(value: number): string {
  if (value >= 1_000_000) return `${rounded(value / 1_000_000)}M`;
  return value >= 10_000 ? `${rounded(value / 1000)}k` : rounded(value);
}

function rounded(value: number): string {
  return String(value < 10 ? Math.round(value * 100) / 100 : Math.round(value));
}

function at(value: number): string {
  return value.toFixed(1);
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
