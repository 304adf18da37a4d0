import { Hono } from "hono";
import { readConfig } from "./config.ts";
import { log } from "./log.ts";
import { renderError, UNAVAILABLE } from "./protocol/wire-error.ts";
import { accountPages } from "./routes/accounts.tsx";
import { admin } from "./routes/admin.ts";
import { authorize } from "./routes/authorize.tsx";
import { awayPages } from "./routes/away.tsx";
import { backchannel } from "./routes/backchannel.ts";
import { enrol } from "./routes/enrol.tsx";
import { par } from "./routes/par.ts";
import { approvePages } from "./routes/approve.tsx";
import { assets } from "./routes/assets.ts";
import type { App } from "./routes/http.ts";
import { introspection } from "./routes/introspection.ts";
import { mcp } from "./routes/mcp.ts";
import { mcpGateway } from "./routes/mcp-gateway.ts";
import { proxy } from "./routes/proxy.ts";
import { revocation } from "./routes/revocation.ts";
import { inbox } from "./routes/inbox.tsx";
import { isForPerson, lostPage } from "./routes/lost.tsx";
import { signInPages } from "./routes/sign-in.tsx";
import { slack } from "./routes/slack.ts";
import { sessions } from "./routes/sessions.ts";
import { token } from "./routes/token.ts";
import { glassReview } from "./routes/glass-review.tsx";
import { stepUp } from "./routes/step-up.ts";
import { watch } from "./routes/watch.tsx";
import { wellKnown } from "./routes/well-known.ts";
import { loadTenant } from "./tenancy.ts";

/** Longer than any request line of ours; a client that sends more is told so before anything is read. */
const MAX_URL_LENGTH = 8192;

/** The worker: finds the tenant, mounts the surfaces, renders what nobody foresaw once. */
export const app = new Hono<App>({ getPath: pathOf });

app.use(async (c, next) => {
  const config = readConfig(c.env);
  if (!config.ok) {
    log("config.invalid", { reason: config.error });
    return renderError({
      ...UNAVAILABLE,
      description: "the broker is not configured; its operator finds the reason in the log",
    });
  }
  if (c.req.path === "/healthz") return c.json({ status: "ok" }, 200, { "cache-control": "no-store" });
  if (c.req.url.length > MAX_URL_LENGTH)
    return renderError({ status: 414, error: "invalid_request", description: "the URL is too long" });
  const issuer = config.value.issuerOf.get(c.req.header("host")?.toLowerCase() ?? "");
  if (issuer === undefined) return renderError({ status: 404, error: "not_found", description: NO_TENANT });
  c.set("tenant", await loadTenant(c.env, issuer));
  await next();
  // Set here and not by c.header, which would make another response around this one.
  const { headers } = c.res;
  headers.set("x-content-type-options", "nosniff");
  // Not no-referrer: with it, browsers post our own forms with Origin: null, which nothing can be told from.
  headers.set("referrer-policy", "same-origin");
  return undefined;
});

for (const surface of [
  wellKnown,
  sessions,
  stepUp,
  backchannel,
  par,
  authorize,
  token,
  introspection,
  revocation,
  proxy,
  mcp,
  mcpGateway,
  approvePages,
  watch,
  glassReview,
  enrol,
  signInPages,
  inbox,
  awayPages,
  accountPages,
  slack,
  assets,
  admin,
])
  app.route("/", surface);

app.notFound((c) => {
  const methods = METHODS_OF.get(c.req.path) ?? METHODS_AT.find(([address]) => address.test(c.req.path))?.[1];
  if (isForPerson(c)) {
    if (methods !== undefined) c.header("allow", methods);
    return lostPage(c, { kind: methods === undefined ? "nothing" : "form" });
  }
  if (methods === undefined)
    return renderError({ status: 404, error: "not_found", description: "there is nothing at this address" });
  return renderError({
    status: 405,
    error: "invalid_request",
    description: `this address takes ${methods}`,
    headers: { allow: methods },
  });
});

/**
 * A fault that nobody foresaw denies. It is told apart from a bug only for the caller's sake: an
 * object that did not answer may answer the next time.
 */
app.onError((fault, c) => {
  log("request.failed", { route: c.req.routePath, reason: fault.name });
  return isForPerson(c) ? lostPage(c, { kind: "fault" }) : renderError(UNAVAILABLE);
});

const NO_TENANT =
  "no tenant is served under this host name: use its issuer's, letter for letter (localhost and 127.0.0.1 are two)";

const METHODS_OF: ReadonlyMap<string, string> = new Map([
  ["/sessions", "POST"],
  ["/oauth/backchannel", "POST"],
  ["/oauth/par", "POST"],
  ["/oauth/authorize", "GET, HEAD, POST"],
  ["/oauth/authorize/continue", "POST"],
  ["/oauth/token", "POST"],
  ["/oauth/introspect", "POST"],
  ["/oauth/revoke", "POST"],
  ["/approve", "GET, HEAD"],
  ["/approve/view", "POST"],
  ["/approve/review", "POST"],
  ["/approve/challenge", "POST"],
  ["/approve/decide", "POST"],
  ["/approve/watch", "POST"],
  ["/approve/reviewed", "POST"],
  ["/approve/end", "POST"],
  ["/enrol", "GET, HEAD"],
  ["/enrol/view", "POST"],
  ["/enrol/challenge", "POST"],
  ["/enrol/finish", "POST"],
  ["/sign-in", "GET, HEAD"],
  ["/sign-in/sso", "POST"],
  ["/sign-in/callback", "GET, HEAD"],
  ["/sign-in/finish", "POST"],
  ["/sign-in/challenge", "POST"],
  ["/sign-in/passkey", "POST"],
  ["/sign-out", "POST"],
  ["/inbox", "GET, HEAD"],
  ["/inbox/view", "POST"],
  ["/inbox/open", "POST"],
  ["/inbox/away", "GET, HEAD"],
  ["/inbox/away/view", "POST"],
  ["/inbox/away/begin", "POST"],
  ["/inbox/away/end", "POST"],
  ["/accounts", "GET, HEAD"],
  ["/accounts/view", "POST"],
  ["/accounts/link", "POST"],
  ["/accounts/finish", "POST"],
  ["/accounts/unlink", "POST"],
  ["/slack/interactions", "POST"],
  ["/oauth/jwks", "GET, HEAD"],
  ["/.well-known/oauth-authorization-server", "GET, HEAD"],
  ["/.well-known/openid-configuration", "GET, HEAD"],
]);
/** As {@link METHODS_OF}, of addresses with a name in them. */
const METHODS_AT: readonly (readonly [RegExp, string])[] = [
  [/^\/sessions\/[^/]+$/, "GET, HEAD"],
  [/^\/sessions\/[^/]+\/(?:end|grants)$/, "POST"],
  [/^\/\.well-known\/oauth-protected-resource\/.+$/, "GET, HEAD"],
];

/** The path as it was sent. The proxy judges it to the letter, so nothing may mend it first. */
function pathOf(request: Request): string {
  const start = request.url.indexOf("/", "https://".length);
  if (start === -1) return "/";
  const end = request.url.slice(start).search(/[?#]/);
  return end === -1 ? request.url.slice(start) : request.url.slice(start, start + end);
}
