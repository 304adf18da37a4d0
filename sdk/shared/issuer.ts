/**
 * Whether a text is a tenant's issuer: an https origin to the letter, or http where nobody else can
 * listen in. Tokens and assertions go there, and what comes back from there is believed.
 */
export function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol, hostname } = new URL(text);
  const isLoopback = ["localhost", "127.0.0.1", "[::1]"].includes(hostname) || hostname.endsWith(".localhost");
  return origin === text && (protocol === "https:" || (protocol === "http:" && isLoopback));
}
