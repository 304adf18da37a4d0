import { describe, expect, it } from "vitest";
import { nextTurn } from "./turn.ts";

describe("whose turn it is to ask", () => {
  it.each([
    ["the first", undefined, 100, 100],
    ["one after the interval", 100, 110, 110],
    ["one in the very moment that the interval is over", 100, 105, 105],
    ["one that is early", 100, 102, 105],
    ["one as early as can be", 100, 100, 105],
    ["one beside another that waits", 105, 102, undefined],
    ["one after a clock was set back", 500, 100, 100],
  ])("%s", (_, last, now, turn) => {
    expect(nextTurn(last, now, 5)).toBe(turn);
  });

  it("answers once an interval, however many ask", () => {
    let last: number | undefined;
    const answered: number[] = [];
    for (let now = 0; now < 100; now++) {
      const turn = nextTurn(last, now, 10);
      if (turn === undefined) continue;
      last = turn;
      answered.push(turn);
    }
    expect(answered).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  });
});
