import { createEmulator, type Emulator } from "emulate";
import { withRevocation } from "./github-revocation.ts";

const SLACK_TOKEN = "xoxb-demo";
const RESEND_KEY = "re_demo";

/** The services around the broker: GitHub, Slack and a mail API, each stateful and on loopback. */
export interface Emulators {
  readonly githubUrl: string;
  readonly slackUrl: string;
  readonly resendUrl: string;
  /** By the names that the tenant document uses. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Slack's id of a member. */
  slackId(name: string): Promise<string>;
  /** The texts of everything in a member's direct messages with Stint, the newest first, as JSON. */
  directMessages(slackId: string): Promise<string[]>;
  channelMessages(name: string): Promise<string[]>;
  mails(): Promise<{ to: string[]; subject: string; text: string; html: string }[]>;
  issues(
    repository: string,
  ): Promise<{ number: number; title: string; body: string | null; labels: { name: string }[] }[]>;
  installationTokens(): Promise<unknown>;
  /** How many requests have reached GitHub through Stint. */
  githubRequests(): number;
  close(): Promise<void>;
}

/** Starts them on free ports, with one organisation, two repositories and a few issues. */
export async function startEmulators(): Promise<Emulators> {
  const [github, slack, resend] = await Promise.all([
    createEmulator({
      service: "github",
      port: 0,
      seed: {
        tokens: { ghp_seed: { login: "dana", scopes: ["repo"] } },
        github: {
          users: [{ login: "dana" }],
          orgs: [{ login: "acme", members: [{ login: "dana", role: "admin" }] }],
          repos: [
            { owner: "acme", name: "api", auto_init: true },
            { owner: "acme", name: "web", auto_init: true },
          ],
          apps: [
            {
              app_id: 12345,
              slug: "stint",
              name: "Stint",
              permissions: { issues: "write", metadata: "read", contents: "write", pull_requests: "write" },
              installations: [{ installation_id: 100, account: "acme", repository_selection: "all" }],
            },
          ],
        },
      },
    }),
    createEmulator({
      service: "slack",
      port: 0,
      seed: {
        tokens: {
          [SLACK_TOKEN]: { login: "stint", scopes: ["chat:write", "users:read", "im:history", "channels:history"] },
        },
        slack: {
          team: { name: "Acme", domain: "acme" },
          users: [
            { name: "dana", real_name: "Dana", email: "dana@acme.example" },
            { name: "sam", real_name: "Sam", email: "sam@acme.example" },
          ],
          channels: [{ name: "approvals" }],
          bots: [{ name: "stint" }],
        },
      },
    }),
    createEmulator({ service: "resend", port: 0, seed: { resend: { domains: [{ name: "acme.example" }] } } }),
  ]);
  const revocable = await withRevocation(github.url);
  const slackCall = async <T>(method: string, body: object): Promise<T> => {
    const response = await fetch(`${slack.url}/api/${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${SLACK_TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return (await response.json()) as T;
  };
  const history = async (channel: string): Promise<string[]> => {
    const { messages = [] } = await slackCall<{ messages?: object[] }>("conversations.history", { channel });
    return messages.map((message) => JSON.stringify(message));
  };
  return {
    githubUrl: revocable.url,
    slackUrl: slack.url,
    resendUrl: resend.url,
    secrets: { GITHUB_APP_KEY: appKey(github), SLACK_BOT_TOKEN: SLACK_TOKEN, RESEND_API_KEY: RESEND_KEY },
    async slackId(name) {
      const { members } = await slackCall<{ members: { id: string; name: string }[] }>("users.list", {});
      return members.find((member) => member.name === name)?.id ?? "";
    },
    async directMessages(slackId) {
      const { channel } = await slackCall<{ channel: { id: string } }>("conversations.open", { users: slackId });
      return history(channel.id);
    },
    async channelMessages(name) {
      const { channels } = await slackCall<{ channels: { id: string; name: string }[] }>("conversations.list", {});
      return history(channels.find((channel) => channel.name === name)?.id ?? "");
    },
    async mails() {
      const response = await fetch(`${resend.url}/emails`, { headers: { authorization: `Bearer ${RESEND_KEY}` } });
      return ((await response.json()) as { data: never[] }).data;
    },
    async issues(repository) {
      const response = await fetch(`${github.url}/repos/${repository}/issues`, {
        headers: { authorization: "Bearer ghp_seed" },
      });
      return (await response.json()) as never;
    },
    async installationTokens() {
      const response = await fetch(`${github.url}/_emulate/installation-tokens`);
      return response.json();
    },
    githubRequests: () => revocable.requests(),
    async close() {
      await Promise.all([revocable.close(), github.close(), slack.close(), resend.close()]);
    },
  };
}

function appKey({ generatedSecrets }: Emulator): string {
  return generatedSecrets.find(({ kind }) => kind === "github.app_private_key")?.value ?? "";
}
