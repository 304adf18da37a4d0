import { createEmulator } from "emulate";

export const GOOGLE_CLIENT = { client_id: "g-client", client_secret: "g-secret" };

const CALLBACK = "http://localhost/cb";
const USER = "dana@acme.example";

/** Google as an emulator: Gmail, Calendar and Drive, and the consent that gives access to them. */
export interface Google {
  readonly url: string;
  /** The refresh token of a user who consented to a scope at Google's own pages. */
  consent(scope: string): Promise<string>;
  close(): Promise<void>;
}

/** Gmail there, by that user's consent: an entry of a tenant document. */
export function gmailUpstream({ url }: Google): Record<string, unknown> {
  return {
    id: "gmail",
    connector: "google_oauth",
    base_url: url,
    catalogue: "gmail",
    client_id: GOOGLE_CLIENT.client_id,
    client_secret: { secret: "GOOGLE_SECRET" },
    refresh_token: { secret: "GOOGLE_REFRESH" },
    token_endpoint: `${url}/oauth2/token`,
  };
}

export async function startGoogle(): Promise<Google> {
  const google = await createEmulator({
    service: "google",
    port: 0,
    seed: {
      google: {
        users: [{ email: USER, name: "Dana" }],
        oauth_clients: [{ ...GOOGLE_CLIENT, redirect_uris: [CALLBACK] }],
      },
    },
  });
  return {
    url: google.url,
    async consent(scope) {
      const asked = { redirect_uri: CALLBACK, client_id: GOOGLE_CLIENT.client_id };
      const chosen = await fetch(`${google.url}/o/oauth2/v2/auth/callback`, {
        method: "POST",
        redirect: "manual",
        body: new URLSearchParams({ ...asked, email: USER, scope, state: "s", response_type: "code" }),
      });
      const code = new URL(chosen.headers.get("location") ?? "").searchParams.get("code") ?? "";
      const answer = await fetch(`${google.url}/oauth2/token`, {
        method: "POST",
        body: new URLSearchParams({ ...asked, ...GOOGLE_CLIENT, grant_type: "authorization_code", code }),
      });
      return ((await answer.json()) as { refresh_token: string }).refresh_token;
    },
    close: () => google.close(),
  };
}
