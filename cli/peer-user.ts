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
  const tables = readTables();
  if (tables === undefined) return true;
  const uid = ownerIn(tables, { address: remoteAddress, port: remotePort }, { address: localAddress, port: localPort });
  return uid === own || uid === ROOT_UID;
}

interface End {
  readonly address: string;
  readonly port: number | undefined;
}

function readTables(): string | undefined {
  const texts = TABLES.flatMap((file) => {
    try {
      return [readFileSync(file, "utf8")];
    } catch {
      return [];
    }
  });
  return texts.length === 0 ? undefined : texts.join("");
}

/**
 * Whose the socket is that stands at one end of a connection, by the kernel's tables.
 *
 * @returns undefined for none, and for one that its process has let go of already: many kernels call that root's
 */
export function ownerIn(tables: string, theirs: End, ours: End): number | undefined {
  const ends = `${inTable(theirs)} ${inTable(ours)}`;
  for (const line of tables.split("\n")) {
    const [, local = "", remote = "", , , , , uid = "", , inode = "0"] = line.trim().split(/\s+/);
    if (`${asIPv4(local)} ${asIPv4(remote)}` === ends) return inode === "0" ? undefined : Number.parseInt(uid, 10);
  }
  return undefined;
}

/** `::ffff:127.0.0.1` as the kernel writes it. */
function asIPv4(end: string): string {
  return end.replace(/^0{16}FFFF0000/, "");
}

/** `127.0.0.1` and a port as the kernel of a little-endian machine writes them: `0100007F:1F90`. */
function inTable({ address, port }: End): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  const ordered = isLittleEndian ? bytes.toReversed() : bytes;
  return `${ordered.join("")}:${(port ?? 0).toString(16).padStart(4, "0")}`.toUpperCase();
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
