/** Names that never lead to a public host. RFC 6761, RFC 6762, RFC 8375, RFC 7686. */
const SPECIAL_SUFFIXES = [
  "local",
  "internal",
  "localhost",
  "arpa",
  "onion",
  "test",
  "example",
  "invalid",
  "lan",
  "home",
  "corp",
];

/** IPv4 blocks that are not the public internet: RFC 6890 and the registries it began. */
const SPECIAL_V4: readonly (readonly [number, number])[] = (
  [
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.0.0.0", 24],
    ["192.0.2.0", 24],
    ["192.31.196.0", 24],
    ["192.52.193.0", 24],
    ["192.88.99.0", 24],
    ["192.168.0.0", 16],
    ["192.175.48.0", 24],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
    ["224.0.0.0", 4],
    ["240.0.0.0", 4],
  ] as const
).map(([address, bits]) => [toNumber(address)!, bits]);

const LABEL = /^[a-z0-9_-]{1,63}$/;
const NUMBER = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/**
 * Whether a host may be the public internet, as far as its name tells: no special-use name, no
 * single label, no trailing dot, no address outside the public ranges. What a name resolves to is
 * judged by the network layer underneath.
 *
 * @param hostname IPv6 in brackets. `URL` yields addresses in their canonical form; a name that never
 * was in a URL (a mail server's) may hold `127.1` or `0x7f.1`, which resolvers take for addresses too:
 * whatever ends in a number and is not a canonical address is refused (WHATWG URL, "ends in a number").
 */
export function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith("[")) return isPublicV6(hostname.slice(1, -1));
  const v4 = toNumber(hostname);
  if (v4 !== undefined) return isPublicV4(v4);
  const labels = hostname.toLowerCase().split(".");
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return false;
  const last = labels.at(-1)!;
  return !NUMBER.test(last) && !SPECIAL_SUFFIXES.includes(last);
}

function isPublicV4(address: number): boolean {
  return !SPECIAL_V4.some(([block, bits]) => address >>> (32 - bits) === block >>> (32 - bits));
}

function toNumber(text: string): number | undefined {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((octet) => /^(?:0|[1-9][0-9]{0,2})$/.test(octet) && Number(octet) < 256))
    return undefined;
  return octets.reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

/** Global unicast (2000::/3) only, less what in it carries another address or is for documents. RFC 4291, RFC 9637. */
function isPublicV6(text: string): boolean {
  const groups = expandV6(text);
  if (groups === undefined) return false;
  const [first = 0, second = 0] = groups;
  if (first >>> 13 !== 1) return false;
  if (first === 0x2001 && second < 0x200) return false;
  if (first === 0x2001 && second === 0xdb8) return false;
  if (first === 0x2002) return false;
  return first !== 0x3fff || second >= 0x1000;
}

function expandV6(text: string): number[] | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 0) return undefined;
  const groups = [...left, ...Array.from({ length: missing }, () => "0"), ...right];
  return groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : undefined;
}
