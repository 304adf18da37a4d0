import { freePort } from "../../demo/free-port.ts";
import { startIdentityProvider, type IdentityProviderHost } from "./identity-provider.ts";
import { startTestWorld, type TestWorld } from "./world.ts";

/** A broker whose people sign in at an identity provider, and the provider. */
export interface SsoWorld {
  readonly world: TestWorld;
  readonly provider: IdentityProviderHost;
}

/** `triage-bot` needs an approver who signed in; `other-bot`, which Dana owns, one with a passkey as well. */
export async function startSsoWorld(): Promise<SsoWorld> {
  const issuer = `http://localhost:${await freePort()}`;
  const world = await startTestWorld({
    secrets: { SSO_SECRET: "a-client-secret-of-32-characters!" },
    adjust: (document) => withSso(document, issuer),
  });
  return { world, provider: await startIdentityProvider(issuer, `${world.issuer}/sign-in/callback`) };
}

function withSso(document: Record<string, unknown>, issuer: string): Record<string, unknown> {
  const { people, policies, agents } = document as {
    people: { id: string; name: string }[];
    policies: object[];
    agents: { client_id: string }[];
  };
  const approver = (name: string) => ({
    id: `${name.toLowerCase()}@acme.example`,
    name,
    roles: ["approver"],
    identities: [{ issuer, subject: `u-${name.toLowerCase()}` }],
  });
  return {
    ...document,
    // Dana owns it, so Sam decides.
    agents: agents.map((agent) => (agent.client_id === "other-bot" ? { ...agent, owner: "dana@acme.example" } : agent)),
    sso: {
      issuer,
      client_id: "stint",
      client_secret: { secret: "SSO_SECRET" },
      acr_values: ["urn:example:mfa"],
      roles: { approver: ["approvers"] },
    },
    people: [
      ...people.map((person) => ({ ...person, identities: [{ issuer, subject: `u-${person.name.toLowerCase()}` }] })),
      approver("Mallory"),
      approver("Max"),
    ],
    policies: policies.flatMap((policy) => [
      { ...policy, agents: ["triage-bot"], assurance: "sso" },
      { ...policy, id: "both", agents: ["other-bot"], assurance: "sso+passkey" },
    ]),
  };
}
