import { afterEach, expect, it, vi } from "vitest";
import { log } from "./log.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it.each(['\n{"event":"approved"}', "\r\n", "\u2028", "\0", '"}', "\u001b[2K", "x".repeat(1000)])(
  "I14 writes one event as one line, whatever a field holds: %j",
  (reason) => {
    const lines: string[] = [];
    vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
    log("request.failed", { reason });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/[\p{Cc}]/u);
    expect(JSON.parse(lines[0]!)).toEqual({ event: "request.failed", reason });
  },
);
