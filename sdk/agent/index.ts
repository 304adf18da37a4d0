export { codeAccess, type CodeAccessOptions } from "./code-access.ts";
export { credentialsAccess, assertionAccess } from "./own-access.ts";
export type {
  Assert,
  AssertionAccessOptions,
  AssertionAsk,
  CredentialsAccessOptions,
  OwnAccessOptions,
} from "./own-access.ts";
export { enterpriseAssertion, type EnterpriseAssertionOptions } from "./enterprise-assertion.ts";
export type { AccessOptions } from "./challenged-fetch.ts";
export type { ClientIdentity } from "./client-identity.ts";
export type { ClientAuthentication, RegisteredClient, SharedSecret } from "./registered-client.ts";
export type { Registration } from "./registration.ts";
export { Agent, type SessionAsk } from "./agent.ts";
export { PendingSession, type WaitOptions } from "./pending-session.ts";
export { Session, type SessionView } from "./session.ts";
export type { ClientOptions, IssuedToken, Narrower } from "../shared/authorization-server.ts";
export type { HeldKey, RegisteredKey } from "../shared/client-key.ts";
export type { Fetch } from "../shared/dpop-sender.ts";
export { newProofKey, type ProofKey } from "../shared/proof-key.ts";
export { StintError } from "../shared/stint-error.ts";
