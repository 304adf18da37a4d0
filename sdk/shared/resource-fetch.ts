import type { IssuedToken } from "./authorization-server.ts";
import type { Attempt, DpopSender, Fetch } from "./dpop-sender.ts";
import { StintError } from "./stint-error.ts";

/** A token that ends sooner than this is not begun with. */
const SPARE_SECONDS = 5;

/**
 * A `fetch` for one protected resource: adds token and proof to every request, obtains the token when
 * it is first needed and again when it has run out. An address that begins with `/` is one under the
 * resource; one outside of it is refused, because the token is nobody else's to see.
 *
 * @param obtain asks Stint for a token for this resource; refused once the session has ended
 */
export function resourceFetch(resource: string, sender: DpopSender, obtain: () => Promise<IssuedToken>): Fetch {
  const base = new URL(resource);
  let held: Promise<IssuedToken> | undefined;

  const token = async (): Promise<string> => {
    const looked = held;
    const known = await looked?.catch(() => undefined);
    if (known !== undefined && known.expiresAt - SPARE_SECONDS > Date.now() / 1000) return known.accessToken;
    // Of many calls that find it run out, the first asks and the others wait for the same answer.
    if (held === looked) held = obtain();
    return (await held!).accessToken;
  };

  return async (input, init) => {
    const url = addressOf(input, resource);
    if (url === undefined)
      throw new StintError(
        "invalid_target",
        "an address with a fragment, a backslash or dot segments is not mended",
        0,
      );
    if (!isWithin(base, url))
      throw new StintError("invalid_target", `this access is for ${resource} and goes nowhere else`, 0);
    const attempt = await readAttempt(input, init);
    attempt.signal?.throwIfAborted();
    const accessToken = await unlessAborted(token(), attempt.signal);
    const used = held;
    const response = await sender.send(url, async () => attempt, accessToken);
    // A token that is taken no more, or holds too little, is not shown again: the next call asks whether there is
    // another. What the session was granted meanwhile is in that one.
    if (isTokenRefused(response) && held === used) held = undefined;
    return response;
  };
}

function isTokenRefused({ status, headers }: Response): boolean {
  const error = /\berror="?(invalid_token|insufficient_scope)\b/.exec(headers.get("www-authenticate") ?? "")?.[1];
  return (status === 401 && error === "invalid_token") || (status === 403 && error === "insufficient_scope");
}

/** Waits for what others wait for too: whoever gives up leaves it to them. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (signal === undefined || signal === null) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", abort));
}

/** Whether an address is a resource's own or lies below it. */
export function isWithin(resource: URL, url: URL): boolean {
  const base = resource.pathname.endsWith("/") ? resource.pathname : `${resource.pathname}/`;
  return url.origin === resource.origin && (url.pathname === resource.pathname || url.pathname.startsWith(base));
}

/**
 * What a parser makes another address of than what stands there: `..` and its like, and what it drops.
 * A template that was given more than a name would so become another call, before anybody could judge it.
 */
const MENDED = /[\\#\p{Cc}]|^[^?]*\/(?:\.|%2e){1,2}(?:[/?]|$)/iu;

/** Undefined for a path under the resource that would not be called as it stands. */
function addressOf(input: Parameters<Fetch>[0], resource: string): URL | undefined {
  if (input instanceof URL) return input;
  const address = typeof input === "string" ? input : input.url;
  if (!address.startsWith("/")) return new URL(address);
  return MENDED.test(address) ? undefined : new URL(resource.replace(/\/$/, "") + address);
}

/** A `Request` is read whole, so that it can be sent again when a nonce is asked for. */
async function readAttempt(input: Parameters<Fetch>[0], init: RequestInit = {}): Promise<Attempt> {
  // A `Request` of another library is one, too; taken for an address it would be sent as a GET.
  if (typeof input === "string" || input instanceof URL)
    return { ...init, method: (init.method ?? "GET").toUpperCase() };
  const { headers, signal } = input;
  const body = input.body === null || "body" in init ? {} : { body: await input.arrayBuffer() };
  return { headers, signal, ...body, ...init, method: (init.method ?? input.method).toUpperCase() };
}
