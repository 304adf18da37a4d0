import type { Facts } from "../domain/facts.ts";
import type { NotifyChannels, Person } from "../domain/tenant.ts";
import type { Outbound } from "../connectors/outbound.ts";
import type { Result } from "../domain/result.ts";

/** What is to be said about a request that waits. */
export interface Notice {
  readonly issuer: string;
  readonly sessionId: string;
  readonly facts: Facts;
  /** Epoch seconds after which the request can no longer be decided. */
  readonly expiresAt: number;
}

/** A notice for one approver, with the link that is theirs alone. */
export interface LinkNotice extends Notice {
  readonly approver: Person;
  readonly link: string;
}

/** What a channel may use. */
export interface DeliveryContext {
  readonly notify: NotifyChannels;
  readonly outbound: Outbound;
  readonly allowPrivateNetwork: boolean;
  readonly readSecret: (name: string) => Promise<string | undefined>;
}

/** Why a message did not go out: worth another try, or not. Reasons name no address and no content. */
export type DeliveryFault =
  | { readonly kind: "retry"; readonly reason: string; readonly afterSeconds?: number | undefined }
  | { readonly kind: "permanent"; readonly reason: string };

/** Gone out; where the channel can change a message later, with what names it there. */
export type Sent = "sent" | { readonly posted: string };

export type Delivery = Result<Sent, DeliveryFault>;
