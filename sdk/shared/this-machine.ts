/** Addresses that lead back to where they are called from, as a URL writes them. */
const ADDRESS = /^(?:127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\]|\[::(?:ffff:)?7f[\da-f]{2}:[\da-f]{1,4}\]|\[::ffff:0:0\])$/;

/** Whether a URL's host is the machine that this runs on, however it is written (RFC 6761 §6.3, RFC 1122 §3.2.1.3). */
export function isThisMachine({ hostname }: URL): boolean {
  const name = hostname.replace(/\.$/, "");
  return name === "localhost" || name.endsWith(".localhost") || ADDRESS.test(name);
}
