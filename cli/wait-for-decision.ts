import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Opened, SessionAsk, StintClient } from "./agent-client.ts";
import { CliError } from "./cli-error.ts";
import { GrantedSession, type SessionToken } from "./granted-session.ts";

/** CIBA Core §11: how much longer to wait between polls after each `slow_down`. */
const SLOW_DOWN_SECONDS = 5;

/** What came of a request. */
export type Decision =
  | { readonly kind: "approved"; readonly session: GrantedSession; readonly token: SessionToken }
  /** `comment` is the approver's own word to the agent. */
  | { readonly kind: "denied"; readonly comment: string | undefined }
  | { readonly kind: "expired" }
  | { readonly kind: "refused"; readonly why: string };

/** Asks for a session. Throws a {@link CliError} that says why there is none to wait for. */
export async function openRequest(client: StintClient, ask: SessionAsk): Promise<Opened> {
  const asked = await client.ask(ask).catch(() => {
    throw new CliError(`no broker answers at ${client.issuer}; name it with --url`);
  });
  if (asked.status !== 202) throw new CliError(reasonOf(asked));
  return asked.body;
}

/**
 * Waits until a human has decided, polling as CIBA Core §10.1 and §11 ask for. A broker that is away
 * for a moment ends nothing: the request waits there.
 *
 * @param signal gives up, where there is one; the promise is then rejected
 * @param onWait told before each poll how many seconds the request is still open
 */
export async function waitForDecision(
  client: StintClient,
  opened: Opened,
  signal?: AbortSignal,
  onWait: (secondsLeft: number) => void = () => undefined,
): Promise<Decision> {
  const openUntilMs = performance.now() + opened.expires_in * 1000;
  let intervalSeconds = opened.interval;
  for (;;) {
    const leftMs = openUntilMs - performance.now();
    onWait(Math.max(0, Math.ceil(leftMs / 1000)));
    await sleep(intervalSeconds * 1000, undefined, signal === undefined ? {} : { signal });
    const polled = await client.poll(opened.auth_req_id).catch(() => undefined);
    if (polled?.status === 200) {
      const token = polled.body as unknown as SessionToken;
      return { kind: "approved", session: new GrantedSession(client, token), token };
    }
    if (polled === undefined || polled.status >= 500) {
      if (leftMs <= 0) return { kind: "refused", why: `no broker answers at ${client.issuer} any more` };
      continue;
    }
    switch (polled.body["error"]) {
      case "authorization_pending":
        continue;
      case "slow_down":
        intervalSeconds += SLOW_DOWN_SECONDS;
        continue;
      case "access_denied": {
        const { comment } = polled.body;
        return { kind: "denied", comment: typeof comment === "string" ? comment : undefined };
      }
      case "expired_token":
        return { kind: "expired" };
      default:
        return { kind: "refused", why: reasonOf(polled) };
    }
  }
}

/** Why the broker refused, as it says so itself. */
function reasonOf({ status, body }: Answer<object>): string {
  const { error, error_description: description } = body as { error?: unknown; error_description?: unknown };
  if (typeof error !== "string") return `the broker answered ${status}`;
  return typeof description === "string" ? `${error}: ${description}` : error;
}
