import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

/** Every user of the machine can connect to a loopback port. Linux says whose the other end is. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const ROOT_UID = 0;

/**
 * Whether a loopback connection comes from this process's own user, or from root, who may do anything
 * anyway. The secret in the path alone would not do: a program that hands its URL to another as an
 * argument shows it to every user in the list of processes.
 *
 * @returns true also where the system does not tell; the secret in the path is what holds there
 */
export function isOwnUser(socket: Socket): boolean {
  const own = process.getuid?.();
  if (own === undefined || process.platform !== "linux") return true;
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  // Gone already: whatever is answered, nobody hears it.
  if (remoteAddress === undefined || localAddress === undefined) return false;
  const rows = readRows();
  if (rows === undefined) return true;
  const theirs = [inTable(remoteAddress, remotePort), inTable(localAddress, localPort)].join(" ");
  const uid = rows.find((row) => row.ends === theirs)?.uid;
  return uid === own || uid === ROOT_UID;
}

interface Row {
  /** Its own end, then the other, in IPv4's notation also where the socket is an IPv6 one. */
  readonly ends: string;
  readonly uid: number;
}

function readRows(): Row[] | undefined {
  const texts = TABLES.flatMap((file) => {
    try {
      return [readFileSync(file, "utf8")];
    } catch {
      return [];
    }
  });
  if (texts.length === 0) return undefined;
  return texts
    .flatMap((text) => text.split("\n").slice(1))
    .map((line) => {
      const [, local = "", remote = "", , , , , uid = ""] = line.trim().split(/\s+/);
      return { ends: `${asIPv4(local)} ${asIPv4(remote)}`, uid: Number.parseInt(uid, 10) };
    });
}

/** `::ffff:127.0.0.1` as the kernel writes it. */
function asIPv4(end: string): string {
  return end.replace(/^0{16}FFFF0000/, "");
}

/** `127.0.0.1` and a port as the kernel of a little-endian machine writes them: `0100007F:1F90`. */
function inTable(address: string, port: number | undefined): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  const ordered = isLittleEndian ? bytes.toReversed() : bytes;
  return `${ordered.join("")}:${(port ?? 0).toString(16).padStart(4, "0")}`.toUpperCase();
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
