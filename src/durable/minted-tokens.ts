import { MAX_ACCESS_TOKEN_SECONDS } from "../domain/exchange.ts";
import type { ActiveSession } from "../domain/session.ts";
import type { EventData } from "./journal.ts";
import type { SessionBooks } from "./session-books.ts";
import type { PresentedToken } from "./session-commands.ts";

/** What is written down of a token that is minted. */
interface MintedToken {
  readonly jti: string;
  /** The token that it was minted from, where that is not the session's first: with the first one all end. */
  readonly parent?: string;
}

/**
 * Records that a token is minted, and from which: whoever takes that one away takes this one with it.
 *
 * @param from the token that was shown for it
 */
export function recordMint(
  books: SessionBooks,
  { first_token }: Pick<ActiveSession, "first_token">,
  from: PresentedToken,
  minted: EventData & MintedToken,
): void {
  books.record("token.minted", { ...minted, parent: from.jti === first_token?.jti ? undefined : from.jti });
}

/** All that was minted from a token, and from that, and may still live: no token outlives the one it came of. */
export function mintedFrom(books: SessionBooks, jti: string): string[] {
  const children = new Map<string, string[]>();
  for (const { data } of books.journal().since("token.minted", books.now() - MAX_ACCESS_TOKEN_SECONDS)) {
    const token = JSON.parse(data) as MintedToken;
    if (token.parent !== undefined) children.set(token.parent, [...(children.get(token.parent) ?? []), token.jti]);
  }
  const found = [...(children.get(jti) ?? [])];
  for (const token of found) found.push(...(children.get(token) ?? []));
  return found;
}
