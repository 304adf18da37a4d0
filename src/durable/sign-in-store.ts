import type { SignIn } from "../domain/sign-in.ts";
import { SIGN_IN_SECONDS } from "../domain/sign-in.ts";

/** Browsers in which one person is signed in at once; the oldest makes room. */
const MAX_SIGN_INS = 20;

/** Where a person is signed in. A browser is known by the digest of what its cookie holds. */
export class SignInStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec("CREATE TABLE IF NOT EXISTS sign_in (digest TEXT PRIMARY KEY, at INTEGER NOT NULL, detail TEXT NOT NULL)");
  }

  add(digest: string, signIn: SignIn): void {
    this.#sql.exec("DELETE FROM sign_in WHERE at <= ?", signIn.at - SIGN_IN_SECONDS);
    this.#sql.exec(
      "INSERT INTO sign_in (digest, at, detail) VALUES (?, ?, ?)",
      digest,
      signIn.at,
      JSON.stringify(signIn),
    );
    this.#sql.exec(
      "DELETE FROM sign_in WHERE digest NOT IN (SELECT digest FROM sign_in ORDER BY at DESC, rowid DESC LIMIT ?)",
      MAX_SIGN_INS,
    );
  }

  get(digest: string): SignIn | undefined {
    const [row] = this.#sql.exec<{ detail: string }>("SELECT detail FROM sign_in WHERE digest = ?", digest).toArray();
    return row === undefined ? undefined : (JSON.parse(row.detail) as SignIn);
  }

  /** Signs out every browser that was signed in by then, epoch seconds. */
  removeUntil(until: number): void {
    this.#sql.exec("DELETE FROM sign_in WHERE at <= ?", until);
  }

  /** Signs out every browser that was signed in with a passkey. */
  removeByPasskey(): void {
    this.#sql.exec("DELETE FROM sign_in WHERE json_extract(detail, '$.how.by') = 'passkey'");
  }

  /** Whether there was one to remove. */
  remove(digest: string): boolean {
    return this.#sql.exec("DELETE FROM sign_in WHERE digest = ? RETURNING 1", digest).toArray().length > 0;
  }
}
