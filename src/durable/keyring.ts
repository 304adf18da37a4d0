import type { SealedSigningKey } from "../crypto/signing-key.ts";
import type { WrappedKey } from "../crypto/vault.ts";
import type { TenantBooks } from "./tenant-books.ts";
import type { ResealedRow } from "./tenant-key-store.ts";

/** How a tenant's keys follow one another: those that sign, and those that seal. Each method belongs into one transaction. */
export class Keyring {
  readonly #books: TenantBooks;

  constructor(books: TenantBooks) {
    this.#books = books;
  }

  /** Takes the first signing keys of their uses, unless another isolate was first. */
  adopt(keys: readonly SealedSigningKey[]): void {
    for (const key of keys.filter(({ use }) => !this.#books.keys.has(use))) this.#add(key);
    this.#books.bump();
  }

  /** Takes the first sealing keys, unless another isolate was first. */
  adoptTenantKeys(keys: readonly WrappedKey[]): void {
    const { tenantKeys } = this.#books;
    for (const key of keys.filter(({ purpose }) => !tenantKeys.has(purpose))) tenantKeys.add(key);
    this.#books.bump();
  }

  /** Seals with a new key from now on, and keeps all of them wrapped as they are given here. */
  renewTenantKeys(next: WrappedKey, rewrapped: readonly WrappedKey[], kek: string): void {
    for (const key of rewrapped) this.#books.tenantKeys.rewrap(key);
    if (this.#books.tenantKeys.add(next))
      this.#books.record("data_key.created", { version: next.version, kek, rewrapped: rewrapped.length });
    this.#books.bump();
  }

  /** Puts values in the place of the same under older keys. */
  reseal(rows: readonly ResealedRow[]): void {
    for (const row of rows) this.#books.tenantKeys.reseal(row);
    this.#books.bump();
  }

  /** Lets new keys take over when they begin to sign; the old ones verify on for as long as they must. */
  rotate(keys: readonly SealedSigningKey[]): void {
    this.#books.keys.removeOutlived(this.#books.now());
    for (const key of keys) {
      this.#add(key);
      this.#books.keys.succeed(key, this.#books.config.longestSessionSeconds());
    }
    this.#books.bump();
  }

  /** Takes a key out of use at once; answers whether there was one. */
  retire(kid: string, successor: SealedSigningKey): boolean {
    const use = this.#books.keys.remove(kid);
    if (use === undefined) return false;
    this.#books.record("key.retired", { kid, use });
    this.#add(successor);
    this.#books.bump();
    return true;
  }

  #add(key: SealedSigningKey): void {
    this.#books.keys.add(key);
    this.#books.record("key.created", { kid: key.kid, use: key.use });
  }
}
