import { objectName } from "../domain/ids.ts";
import { cutOffUntil } from "../domain/cut-off.ts";
import { policiesOf } from "../domain/policy.ts";
import { registrationOf } from "../domain/registration.ts";
import type { PresentedToken, Standing } from "../durable/session-commands.ts";
import type { TenantContext } from "../tenancy.ts";

/** A session's object. The tenant is part of its name, so an id of one tenant means nothing in another. */
export function sessionObject(env: Env, issuer: string, sessionId: string) {
  return env.SESSION.getByName(objectName(issuer, sessionId));
}

export function agentObject(env: Env, issuer: string, clientId: string) {
  return env.AGENT.getByName(objectName(issuer, clientId));
}

export function personObject(env: Env, issuer: string, personId: string) {
  return env.PERSON.getByName(objectName(issuer, personId));
}

export function tenantObject(env: Env, issuer: string) {
  return env.TENANT.getByName(objectName(issuer));
}

export function ledgerObject(env: Env, issuer: string) {
  return env.LEDGER.getByName(objectName(issuer));
}

/** What a session has to know of a token that was verified: as little as can be, for it goes along with every call. */
export function presented({ jti }: PresentedToken): PresentedToken {
  return { jti };
}

/** What the tenant's policies say of a client now; undefined when it is no longer registered. */
export function standingOf({ tenant, cutOffs }: TenantContext, clientId: string): Standing | undefined {
  if (registrationOf(tenant, clientId) === undefined) return undefined;
  const allow = policiesOf(tenant, clientId).flatMap(({ policy }) => policy.allow);
  return { allow, killedUntil: cutOffUntil(cutOffs, clientId) || undefined, cutOffs };
}
