import { LONGEST_BREAK_GLASS_SECONDS, LONGEST_REVIEW_SECONDS } from "../../domain/break-glass.ts";
import type { DocumentProblem } from "../../domain/compiled-tenant.ts";
import { formatDuration, parseDuration } from "../../domain/duration.ts";
import { isPublicHost } from "../../domain/public-address.ts";
import type { TenantDocument } from "../../domain/tenant.ts";

/** What is wrong with a document whose shape is right. */
export function documentProblems(document: TenantDocument, allowPrivateNetwork: boolean): DocumentProblem[] {
  return [
    ...confusableNames(document),
    ...idsInOtherLetters("people", document.people, ({ id }) => id),
    ...idsInOtherLetters("agents", document.agents, ({ client_id }) => client_id),
    ...unfitAddresses(document),
    ...longBreakGlass(document),
    ...(allowPrivateNetwork ? [] : privateAddresses(document)),
  ];
}

/** Two agents whose names look alike could be mistaken for one another on an approval page. */
function confusableNames(document: TenantDocument): DocumentProblem[] {
  const seen = new Map<string, string>();
  return document.agents.flatMap((candidate, at) => {
    const skeleton = candidate.name
      .normalize("NFKC")
      .toLowerCase()
      .replaceAll(/[\s_.-]+/g, "");
    const mixed =
      /\p{Script=Latin}/u.test(candidate.name) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(candidate.name);
    const path = `/agents/${at}/name`;
    if (mixed) return [{ path, message: "mixes alphabets whose letters look alike" }];
    const twin = seen.get(skeleton);
    if (twin !== undefined) return [{ path, message: `looks like the name of agent "${twin}"` }];
    seen.set(skeleton, candidate.client_id);
    return [];
  });
}

/** Ids count to the letter, and people read over that: to whom something is given must be plain. */
function idsInOtherLetters<T>(list: string, items: readonly T[], idOf: (item: T) => string): DocumentProblem[] {
  const seen = new Map<string, string>();
  return items.flatMap((item, at) => {
    const id = idOf(item);
    const twin = seen.get(id.toLowerCase());
    seen.set(id.toLowerCase(), id);
    if (twin === undefined || twin === id) return [];
    return [{ path: `/${list}/${at}`, message: `"${id}" differs from "${twin}" in upper and lower case alone` }];
  });
}

/** What is judged must be what is called: an address that a URL parser would mend is to be written as it mends it. Nor does the broker call itself. */
function unfitAddresses({ upstreams, issuer }: TenantDocument): DocumentProblem[] {
  return upstreams.flatMap(({ base_url }, at) => {
    const { href, origin } = new URL(base_url);
    if (origin === issuer) return [{ path: `/upstreams/${at}/base_url`, message: "is this broker itself" }];
    const mended = href.replace(/\/$/, "");
    return mended === base_url
      ? []
      : [{ path: `/upstreams/${at}/base_url`, message: `is read as ${mended}: write it so` }];
  });
}

function longBreakGlass({ break_glass }: TenantDocument): DocumentProblem[] {
  if (break_glass === undefined) return [];
  return (
    [
      ["max_duration", break_glass.max_duration, LONGEST_BREAK_GLASS_SECONDS],
      ["review_within", break_glass.review_within, LONGEST_REVIEW_SECONDS],
    ] as const
  ).flatMap(([name, text, longest]) =>
    (parseDuration(text) ?? Infinity) <= longest
      ? []
      : [{ path: `/break_glass/${name}`, message: `may be ${formatDuration(longest)} at most` }],
  );
}

/** Addresses that this broker would refuse to call, told now and not at the first call. */
function privateAddresses(document: TenantDocument): DocumentProblem[] {
  const {
    upstreams,
    agents,
    servers,
    identity_providers,
    sso,
    notify: { slack, email, webhook },
  } = document;
  const addresses: (readonly [string, string | undefined])[] = [
    ...agents.map(({ jwks_uri }, at) => [`/agents/${at}/jwks_uri`, jwks_uri] as const),
    ...servers.map(({ jwks_uri }, at) => [`/servers/${at}/jwks_uri`, jwks_uri] as const),
    ...identity_providers.map(({ jwks_uri }, at) => [`/identity_providers/${at}/jwks_uri`, jwks_uri] as const),
    ...upstreams.flatMap((upstream, at) =>
      UPSTREAM_ADDRESSES.map((name) => [`/upstreams/${at}/${name}`, addressIn(upstream, name)] as const),
    ),
    ["/sso/issuer", sso?.issuer],
    ["/notify/webhook/url", webhook?.url],
    ["/notify/slack/base_url", slack?.base_url],
    ["/notify/email/resend/base_url", email?.resend?.base_url],
  ];
  const problems = addresses.flatMap(([path, address]) => {
    if (address === undefined) return [];
    const { protocol, hostname, port } = new URL(address);
    return protocol === "https:" && port === "" && isPublicHost(hostname) ? [] : [{ path, message: NOT_PUBLIC }];
  });
  const { smtp } = email ?? {};
  const isPrivateSmtp = smtp !== undefined && (!isPublicHost(smtp.host) || smtp.security === "none");
  return isPrivateSmtp ? [...problems, { path: "/notify/email/smtp", message: NOT_PUBLIC }] : problems;
}

const UPSTREAM_ADDRESSES = [
  "base_url",
  "authorization_endpoint",
  "token_endpoint",
  "revocation_endpoint",
  "authorization_server",
  "sts_endpoint",
];

function addressIn(upstream: object, name: string): string | undefined {
  return (upstream as { [member: string]: string | undefined })[name];
}

const NOT_PUBLIC =
  "must be a public host, reached encrypted and on its usual port; others only with stint serve --allow-private-network";
