import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventReader, renderEvent } from "./event-stream.ts";

function read(...pieces: string[]) {
  const reader = new EventReader();
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
}

describe("server-sent events", () => {
  it.each([
    ["LF", "id: 7\ndata: a\ndata: b\n\ndata: c\n\n"],
    ["CR LF", "id: 7\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"],
    ["CR", "id: 7\rdata: a\rdata: b\r\rdata: c\r\r"],
    ["all of them", "id: 7\ndata: a\r\ndata: b\r\n\rdata: c\n"],
  ])("are read with lines that end in %s", (_, text) => {
    expect(read(text)).toEqual([{ id: "7", data: "a\nb" }, { data: "c" }]);
  });

  it("are the same wherever the pieces are cut", () => {
    const text = "event: message\r\nid: 1\r\ndata: {\r\ndata: }\r\n\r\n: here\r\n\r\ndata: x\r\rretry: 5\n\n";
    const whole = read(text);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, index) => text.slice(at[index], end));
        expect(read(...pieces)).toEqual(whole);
      }),
    );
  });

  it("are passed on without what some readers would take for the end of a line", () => {
    const hidden = 'data: {"id":5}';
    for (const end of ["\u2028", "\u2029", "\u0085", "\u000B", "\u000C", "\u001C"]) {
      const events = read(
        `: a${end}${end}${hidden}\n\nid: a${end}${end}${hidden}\nevent: b${end}${end}${hidden}\ndata: c\n\n`,
      );
      expect(events.map(renderEvent).join("")).toBe(":\n\ndata: c\n\n");
    }
  });

  it("say how much of them is not there yet", () => {
    const reader = new EventReader();
    reader.push("data: 12345\ndata: 6");
    expect(reader.pendingLength).toBe(18);
    reader.push("\n\n");
    expect(reader.pendingLength).toBe(0);
  });
});
