import { digestOf, sha256 } from "../crypto/hash.ts";
import type { ShownTool, SignedDefinitions } from "../domain/tool-definitions.ts";
import type { TenantBooks } from "./tenant-books.ts";

/** Which tool definitions a server may show, by its owner's word or by its own signature. Each method belongs into one transaction. */
export class ToolAcceptance {
  readonly #books: TenantBooks;

  constructor(books: TenantBooks) {
    this.#books = books;
  }

  /** Keeps what a server shows for its owner to look at, once. */
  propose(server: string, shown: readonly ShownTool[], unproved: string | undefined): void {
    const digest = this.#books.pins.propose(server, shown, this.#books.now());
    if (digest === undefined) return;
    const tools = shown.map(({ name }) => name);
    this.#books.record("server.definitions_differ", { server, digest, tools, unproved });
    this.#books.bump();
  }

  /** Accepts what a server signed, and shows; false for a statement that is older than one it made before. */
  acceptSigned(server: string, signed: SignedDefinitions, shown: readonly ShownTool[]): boolean {
    const how = this.#books.pins.acceptSigned(server, signed, shown);
    if (how !== "new") return how === "known";
    const { tools, issued_at, expires_at, key } = signed;
    this.#books.record("server.definitions_signed", {
      server,
      digest: digestOf(tools),
      tools: Object.keys(tools),
      issued_at,
      expires_at,
      key: sha256(key),
    });
    this.#books.bump();
    return true;
  }

  /** Decides a difference, which its digest names exactly; answers whether it was the one that waits. */
  decide(server: string, digest: string, decision: "accepted" | "dismissed", lapsed: boolean): boolean {
    const { pins } = this.#books;
    const found =
      decision === "accepted"
        ? pins.accept(server, digest, lapsed, this.#books.now()) !== undefined
        : pins.dismiss(server, digest);
    if (!found) return false;
    this.#books.record(`server.definitions_${decision}`, { server, digest });
    this.#books.bump();
    return true;
  }
}
