/** Whose sessions are cut off: an agent's, those that a person approved, or all of a tenant's. */
export type CutOff =
  | { readonly kind: "agent"; readonly id: string }
  | { readonly kind: "approver"; readonly id: string }
  | { readonly kind: "tenant" };

/** Somebody whom the tenant's document does not name any more. What they had until then serves nobody who gets their id. */
export interface Leaver {
  readonly kind: "person";
  readonly id: string;
}

/** For each that was ever cut off, by {@link cutOffKey}: until when (epoch seconds) what it began is dead. */
export type CutOffs = { readonly [key: string]: number };

/** Until when (epoch seconds) all that an agent asked for is dead; 0 where it was never cut off. */
export function cutOffUntil(cutOffs: CutOffs, clientId: string): number {
  return Math.max(
    cutOffs[cutOffKey({ kind: "agent", id: clientId })] ?? 0,
    cutOffs[cutOffKey({ kind: "tenant" })] ?? 0,
  );
}

/** Until when (epoch seconds) all that a person approved is dead; 0 where they were never cut off. */
export function approverCutOffUntil(cutOffs: CutOffs, person: string): number {
  return cutOffs[cutOffKey({ kind: "approver", id: person })] ?? 0;
}

/** Until when (epoch seconds) all that a person had is gone with them: passkeys, sign-ins, invitations, links; 0 where they never left. */
export function leftUntil(cutOffs: CutOffs, person: string): number {
  return cutOffs[cutOffKey({ kind: "person", id: person })] ?? 0;
}

/** Until when (epoch seconds) what a person was let into is over: they left, or were cut off themselves or with the tenant. */
export function personCutOffUntil(cutOffs: CutOffs, person: string): number {
  return Math.max(
    leftUntil(cutOffs, person),
    approverCutOffUntil(cutOffs, person),
    cutOffs[cutOffKey({ kind: "tenant" })] ?? 0,
  );
}

/** Names what is cut off. No `client_id` begins with a star or a space. */
export function cutOffKey(cutOff: CutOff | Leaver): string {
  switch (cutOff.kind) {
    case "agent":
      return cutOff.id;
    case "approver":
      return ` approver ${cutOff.id}`;
    case "person":
      return ` person ${cutOff.id}`;
    case "tenant":
      return "*";
  }
}
