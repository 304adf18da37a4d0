/** What a log line may carry. There is no member for a token, a header, a body or free text. */
export interface LogFields {
  readonly issuer?: string;
  readonly session_id?: string;
  readonly client_id?: string;
  readonly route?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly upstream?: string;
  readonly channel?: string;
}

/** Writes one line of JSON with a dotted event name. */
export function log(event: string, fields: LogFields = {}): void {
  // oxlint-disable-next-line no-console -- the one place that writes
  console.log(JSON.stringify({ event, ...fields }));
}
