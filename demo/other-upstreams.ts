import type { StintClient } from "../cli/agent-client.ts";
import { gmailUpstream, GOOGLE_CLIENT, startGoogle, type Google } from "./google.ts";
import type { Narrator } from "./narrator.ts";
import { startTracker, TRACKER_KEY, type Tracker } from "./tracker.ts";
import type { World } from "./world.ts";

const MAY_READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly";
const MAIL = "/proxy/gmail/gmail/v1/users/me/messages";

/** What the demo's agent asks for beside GitHub: mail, twice at most, and the issues of a tracker. */
export const OTHER_ACCESS = [
  { type: "upstream_access", upstream: "gmail", actions: ["messages:read"], limits: { calls: 2 } },
  { type: "upstream_access", upstream: "linear", actions: ["issues:read"] },
];

/** Upstreams that cannot do what GitHub can: one whose tokens only expire, one with a key for everything. */
export interface OtherUpstreams {
  readonly tracker: Tracker;
  readonly secrets: Readonly<Record<string, string>>;
  /** Adds them to a tenant document. */
  adjust(document: Record<string, unknown>): Record<string, unknown>;
  close(): Promise<void>;
}

export async function startOtherUpstreams(): Promise<OtherUpstreams> {
  const [google, tracker] = await Promise.all([startGoogle(), startTracker()]);
  return {
    tracker,
    secrets: {
      GOOGLE_SECRET: GOOGLE_CLIENT.client_secret,
      GOOGLE_REFRESH: await google.consent(MAY_READ_MAIL),
      TRACKER_KEY,
    },
    adjust: (document) => withOtherUpstreams(document, google, tracker),
    async close() {
      await Promise.all([google.close(), tracker.close()]);
    },
  };
}

function withOtherUpstreams(document: Record<string, unknown>, google: Google, tracker: Tracker) {
  const { upstreams, policies } = document as { upstreams: object[]; policies: { allow: string[] }[] };
  return {
    ...document,
    upstreams: [
      ...upstreams,
      gmailUpstream(google),
      {
        id: "linear",
        connector: "api_key",
        base_url: tracker.url,
        catalogue: "linear",
        api_key: { secret: "TRACKER_KEY" },
        scheme: "",
      },
    ],
    policies: policies.map((policy) => ({
      ...policy,
      allow: [...policy.allow, "gmail:messages:read", "linear:issues:read", "linear:issues:write"],
    })),
  };
}

/** A tracker whose one key could do anything: what holds the agent is Stint's reading of each document. */
export async function useTracker(
  tell: Narrator,
  world: World,
  agent: StintClient,
  sessionToken: string,
  tracker: Tracker,
): Promise<void> {
  tell.step(
    "A tracker with GraphQL has one key for everything. Stint reads each document, and lets the granted fields through.",
  );
  const token = await tokenFor(world, agent, sessionToken, "linear");
  const ask = (query: string, operationName?: string) =>
    agent.call(token, "POST", "/proxy/linear/graphql", { query, operationName });
  const read = await ask("{ issues(first: 5) { nodes { id title } } }");
  tell.show({ status: read.status, ...read.body });
  tell.check(read.status === 200, "reading what was granted");
  const before = tracker.requests();
  for (const [query, operationName] of [
    ['mutation { issueCreate(input: { title: "Not granted" }) { success } }'],
    ['query Read { issues { nodes { id } } } mutation Hidden { issueDelete(id: "1") { success } }', "Read"],
  ] as const) {
    const refused = await ask(query, operationName);
    tell.show({ query, status: refused.status, ...refused.body });
    tell.check(
      refused.status === 403 && tracker.requests() === before,
      "a write is refused, and the tracker never saw it",
    );
  }
}

/** Mail that was granted for two calls. */
export async function useUpLimit(
  tell: Narrator,
  world: World,
  agent: StintClient,
  sessionToken: string,
): Promise<void> {
  tell.step("Mail was granted for two calls. The third finds the limit reached.");
  const token = await tokenFor(world, agent, sessionToken, "gmail");
  for (const expected of [200, 200, 429]) {
    const answer = await agent.call(token, "GET", MAIL);
    tell.show({ status: answer.status, ...(answer.status === 429 ? answer.body : {}) });
    tell.check(answer.status === expected, expected === 200 ? "within the limit" : "refused, with what is left");
  }
}

async function tokenFor(world: World, agent: StintClient, sessionToken: string, upstream: string): Promise<string> {
  const { body } = await agent.exchange(sessionToken, `${world.issuer}/proxy/${upstream}`);
  return String(body["access_token"]);
}
