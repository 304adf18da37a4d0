import { newId } from "../crypto/random.ts";
import type { UpstreamAccess } from "../domain/access.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { Catalogue } from "../domain/tenant.ts";
import type { AwsUpstream } from "../domain/upstream.ts";
import { unanswered, type Connector, type ConnectorFault, type Minted } from "./connector.ts";

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;
/** What AWS allows: a session of a quarter of an hour at least, and of an hour where the role says nothing else. */
const SHORTEST_SECONDS = 900;
const LONGEST_SECONDS = 3600;
/** AWS takes no longer session policy, in characters. */
const MAX_POLICY_LENGTH = 2048;
/** The token is shown to AWS at once and to nobody else. */
const TOKEN_LIFETIME_SECONDS = 120;

/**
 * A role of AWS that trusts Stint as an OpenID provider: `AssumeRoleWithWebIdentity`, so that no key of
 * AWS is stored. A session policy narrows each session's credentials to the actions and resources of its
 * operations (`permissions`, with `{location}` in the resource). They end by themselves.
 */
export const aws: Connector<AwsUpstream> = {
  async mint({ upstream, catalogue, access, session, outbound, now, signAsStint }) {
    const policy = sessionPolicy(access, catalogue);
    if (policy === undefined) return err({ kind: "misconfigured", missing: "permissions" });
    const token = await signAsStint({
      iss: session.issuer,
      sub: session.sub,
      aud: upstream.audience,
      client_id: session.client_id,
      session_id: session.session_id,
      iat: now,
      exp: now + TOKEN_LIFETIME_SECONDS,
      jti: newId("tok_"),
    });
    const seconds = Math.min(Math.max(session.expires_at - now, SHORTEST_SECONDS), LONGEST_SECONDS);
    const answer = await outbound.text({
      url: upstream.sts_endpoint,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({
        Action: "AssumeRoleWithWebIdentity",
        Version: "2011-06-15",
        RoleArn: upstream.role_arn,
        RoleSessionName: session.session_id,
        WebIdentityToken: token,
        Policy: policy,
        DurationSeconds: String(seconds),
      }).toString(),
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
    if (!answer.ok) return err(unanswered(answer.error));
    const { status, text } = answer.value;
    if (status === 429 || status >= 500) return err({ kind: "upstream_unavailable" });
    return status === 200 ? readCredentials(text, upstream) : err({ kind: "upstream_refused", status });
  },

  async revoke() {
    return ok("revoked");
  },

  narrowing: () => "upstream",

  describe: () => ({
    credential: "per_session",
    orphans: "possible",
    longestSeconds: LONGEST_SECONDS,
    ends: "expires",
  }),
};

/** What the session may do, as IAM has it; undefined where an operation does not say, or a place would mean more than itself. */
function sessionPolicy(access: readonly UpstreamAccess[], catalogue: Catalogue): string | undefined {
  const statements: object[] = [];
  for (const { actions, locations = [""] } of access)
    for (const action of actions) {
      const permissions = Object.entries(catalogue.operations[action]?.permissions ?? {});
      if (permissions.length === 0) return undefined;
      for (const [name, resource] of permissions)
        for (const location of locations) {
          // `*` and `?` stand for anything in a resource, `${…}` for a variable.
          if (/[*?$]/.test(location)) return undefined;
          statements.push({ Effect: "Allow", Action: name, Resource: resource.replaceAll("{location}", location) });
        }
    }
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: statements });
  return statements.length === 0 || policy.length > MAX_POLICY_LENGTH ? undefined : policy;
}

/** The answer is XML of a fixed shape; of it only four texts without markup are taken. */
function readCredentials(text: string, { region, service }: AwsUpstream): Result<Minted, ConnectorFault> {
  const member = (name: string): string | undefined =>
    new RegExp(`<${name}>([^<>&\\s]{1,4096})</${name}>`).exec(text)?.[1];
  const [id, secret, token] = [member("AccessKeyId"), member("SecretAccessKey"), member("SessionToken")];
  const expiresAt = Math.floor(Date.parse(member("Expiration") ?? "") / 1000);
  if (id === undefined || secret === undefined || token === undefined || Number.isNaN(expiresAt))
    return err({ kind: "answer_lost" });
  return ok({
    credential: {
      kind: "aws",
      access_key_id: id,
      secret_access_key: secret,
      session_token: token,
      region,
      service,
    },
    handle: "",
    ends: "expires",
    expiresAt,
  });
}
