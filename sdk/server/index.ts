export { Access } from "./access.ts";
export { Guard, type GuardOptions, type Tool } from "./guard.ts";
export type { OnceOnly } from "./once-only.ts";
export type { IssuedToken, Narrower } from "../shared/authorization-server.ts";
export type { HeldKey, RegisteredKey } from "../shared/client-key.ts";
export type { Fetch } from "../shared/dpop-sender.ts";
export { newProofKey, type ProofKey } from "../shared/proof-key.ts";
export { signMetadata, type ShownDefinitions, type SigningOptions } from "./signed-metadata.ts";
export { StintError } from "../shared/stint-error.ts";
