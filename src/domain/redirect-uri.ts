const LOOPBACK_HOSTS = ["127.0.0.1", "[::1]", "localhost"];

/**
 * Whether a client may register this address to return to: https, or http on loopback, written as it
 * will be compared, without fragment or user.
 */
export function isRedirectUri(text: string): boolean {
  if (!URL.canParse(text) || text.includes("#")) return false;
  const url = new URL(text);
  if ((url.href !== text && url.href !== `${text}/`) || url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || isLoopback(text);
}

/** Whether it leads to a program on the same machine, which any program there may pretend to be. */
export function isLoopback(redirectUri: string): boolean {
  const url = new URL(redirectUri);
  return url.protocol === "http:" && LOOPBACK_HOSTS.includes(url.hostname);
}

/** Exact comparison (RFC 9700 §4.1.3), except that a loopback address may have any port (RFC 8252 §7.3). */
export function isRegisteredRedirect(redirectUri: string, registered: readonly string[]): boolean {
  if (registered.includes(redirectUri)) return true;
  if (!isRedirectUri(redirectUri) || !isLoopback(redirectUri)) return false;
  return registered.some((candidate) => isLoopback(candidate) && withoutPort(candidate) === withoutPort(redirectUri));
}

function withoutPort(address: string): string {
  const url = new URL(address);
  url.port = "";
  return url.href;
}
