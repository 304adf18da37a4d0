/** What a protected resource says to whom it turns away (RFC 6750 §3, RFC 9728 §5.1). */
export interface Challenge {
  readonly error: string | undefined;
  readonly scope: string | undefined;
  readonly resourceMetadata: string | undefined;
}

/** Reads `WWW-Authenticate`, of whatever scheme. */
export function readChallenge(response: Response): Challenge {
  const header = response.headers.get("www-authenticate") ?? "";
  const read = (name: string): string | undefined =>
    new RegExp(`(?:^|[\\s,])${name}=(?:"([^"]*)"|([^\\s",]+))`, "i")
      .exec(header)
      ?.slice(1)
      .find((part) => part !== undefined);
  return { error: read("error"), scope: read("scope"), resourceMetadata: read("resource_metadata") };
}
