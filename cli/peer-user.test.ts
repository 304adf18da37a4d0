import { describe, expect, it } from "vitest";
import { ownerIn } from "./peer-user.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const [OURS, THEIRS] = [
  { address: "127.0.0.1", port: 0x8049 },
  { address: "127.0.0.1", port: 0x91ec },
];
const row = (local: string, remote: string, state: string, uid: number, inode: number): string =>
  ` 147: ${local} ${remote} ${state} 00000000:00000031 00:00000000 00000000 ${uid}        0 ${inode} 2 0 20 4 31 10 -1\n`;
const [OUR_END, THEIR_END] = ["0100007F:8049", "0100007F:91EC"];

describe.runIf(process.platform === "linux")("whose the other end of a connection is", () => {
  it("stands beside that end, in the table of either family", () => {
    const own = row(OUR_END, THEIR_END, "01", 0, 7);
    expect(ownerIn(HEAD + own + row(THEIR_END, OUR_END, "01", 1000, 8), THEIRS, OURS)).toBe(1000);
    const mapped = (end: string): string => `0000000000000000FFFF0000${end}`;
    expect(ownerIn(HEAD + own + HEAD + row(mapped(THEIR_END), mapped(OUR_END), "01", 1000, 8), THEIRS, OURS)).toBe(
      1000,
    );
  });

  it.each([
    ["who hung up, whom kernels call root", row(THEIR_END, OUR_END, "04", 0, 0)],
    ["who hung up long ago", row(THEIR_END, OUR_END, "06", 0, 0)],
    ["at another port", row("0100007F:91ED", OUR_END, "01", 0, 8)],
    ["of which there is no line", ""],
  ])("is nobody's for one %s", (_, text) => {
    expect(ownerIn(HEAD + row(OUR_END, THEIR_END, "01", 0, 7) + text, THEIRS, OURS)).toBeUndefined();
  });
});
