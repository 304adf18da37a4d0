import { addColumn } from "./add-column.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import { proposalDigest } from "../crypto/proposal-digest.ts";
import type { KnownDefinitions, ShownTool, SignedDefinitions } from "../domain/tool-definitions.ts";

/** One tool as it is shown now, and as it was accepted before; both as canonical JSON. */
export interface ProposedTool {
  readonly name: string;
  readonly shown: string;
  readonly accepted: string | undefined;
}

/** What a server shows and nobody has accepted, for its owner to look at. */
export interface Proposal {
  readonly server: string;
  /** Names exactly this difference, so that nobody accepts another one. */
  readonly digest: string;
  /** Epoch seconds. */
  readonly first_at: number;
  readonly tools: readonly ProposedTool[];
}

/** The SQL of the tool definitions that owners accepted, that servers signed, and that wait for somebody. */
export class ServerPins {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static createTables(sql: SqlStorage): void {
    sql.exec(`
      CREATE TABLE IF NOT EXISTS server_tool (
        server TEXT NOT NULL, tool TEXT NOT NULL, digest TEXT NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (server, tool));
      CREATE TABLE IF NOT EXISTS server_proposal (
        server TEXT PRIMARY KEY, digest TEXT NOT NULL, tools TEXT NOT NULL, first_at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS server_signature (
        server TEXT PRIMARY KEY, tools TEXT NOT NULL, resource TEXT NOT NULL,
        issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, key TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS server_decision (server TEXT PRIMARY KEY, at INTEGER NOT NULL);
    `);
    // 1: it is here by the server's own word, and counts only while server_signature does.
    addColumn(sql, "server_tool", "signed", "INTEGER NOT NULL DEFAULT 0");
  }

  /** What is known of every server, by its id. */
  all(): { [server: string]: KnownDefinitions } {
    const known = new Map<
      string,
      { accepted: { [tool: string]: string }; signed?: SignedDefinitions; proposal?: string }
    >();
    const of = (server: string) => {
      const entry = known.get(server) ?? { accepted: {} };
      known.set(server, entry);
      return entry;
    };
    for (const { server, tool, digest, signed } of this.#rows()) if (signed === 0) of(server).accepted[tool] = digest;
    for (const { server, ...signed } of this.#signatures()) of(server).signed = signed;
    for (const { server, digest } of this.#proposals()) of(server).proposal = digest;
    return Object.fromEntries(known);
  }

  /** Answers the digest of a difference that was not waiting yet; one that waits is not replaced under its owner's eyes. */
  propose(server: string, shown: readonly ShownTool[], now: number): string | undefined {
    const digest = proposalDigest(shown);
    const { rowsWritten } = this.#sql.exec(
      "INSERT INTO server_proposal (server, digest, tools, first_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      server,
      digest,
      JSON.stringify(shown),
      now,
    );
    return rowsWritten > 0 ? digest : undefined;
  }

  /**
   * Accepts exactly this difference; answers its tools, or undefined when it is not what waits.
   *
   * @param lapsed whether what the server signed counts no more, so that its owner's word takes the place of all of it
   */
  accept(server: string, digest: string, lapsed: boolean, now: number): string[] | undefined {
    const proposal = this.#proposals().find((row) => row.server === server && row.digest === digest);
    if (proposal === undefined) return undefined;
    const shown = JSON.parse(proposal.tools) as ShownTool[];
    for (const tool of shown) {
      this.#sql.exec(
        `INSERT INTO server_tool (server, tool, digest, definition) VALUES (?, ?, ?, ?)
         ON CONFLICT (server, tool) DO UPDATE
         SET digest = excluded.digest, definition = excluded.definition, signed = 0`,
        server,
        tool.name,
        tool.digest,
        tool.definition,
      );
    }
    const names = shown.map(({ name }) => name);
    this.#retract(server, (tool) => lapsed || names.includes(tool));
    // What was signed before the owner looked says nothing against what they decided.
    this.#sql.exec("INSERT OR REPLACE INTO server_decision (server, at) VALUES (?, ?)", server, now);
    this.dismiss(server, digest);
    return names;
  }

  /**
   * Accepts what a server signed. Nothing that was accepted before and is not in it stays: else a server that is
   * led back to an older version would find that one accepted still.
   *
   * @param shown those of the tools whose definitions were seen
   * @returns `older` where a newer statement was accepted before, or another one of the same second, or where its
   *   owner accepted something since
   */
  acceptSigned(
    server: string,
    { tools, resource, issued_at, expires_at, key }: SignedDefinitions,
    shown: readonly ShownTool[],
  ): "new" | "known" | "older" {
    const text = canonicalJson(tools);
    const before = this.#signatures().find((row) => row.server === server);
    const isSame =
      before?.issued_at === issued_at &&
      canonicalJson(before.tools) === text &&
      before.resource === resource &&
      before.expires_at === expires_at &&
      before.key === key;
    if (before !== undefined && before.issued_at >= issued_at && !isSame) return "older";
    const [decision] = this.#sql
      .exec<{ at: number }>("SELECT at FROM server_decision WHERE server = ?", server)
      .toArray();
    if (decision !== undefined && decision.at >= issued_at) return "older";
    for (const { tool, digest } of this.#rows().filter((row) => row.server === server))
      if (!Object.hasOwn(tools, tool) || tools[tool] !== digest)
        this.#sql.exec("DELETE FROM server_tool WHERE server = ? AND tool = ?", server, tool);
    for (const { name, digest, definition } of shown)
      this.#sql.exec(
        `INSERT INTO server_tool (server, tool, digest, definition, signed) VALUES (?, ?, ?, ?, 1)
         ON CONFLICT DO NOTHING`,
        server,
        name,
        digest,
        definition,
      );
    this.#sql.exec(
      `INSERT OR REPLACE INTO server_signature (server, tools, resource, issued_at, expires_at, key)
       VALUES (?, ?, ?, ?, ?, ?)`,
      server,
      text,
      resource,
      issued_at,
      expires_at,
      key,
    );
    return isSame ? "known" : "new";
  }

  /** Forgets a difference without accepting it: the server is looked at again when it is next used. */
  dismiss(server: string, digest: string): boolean {
    return (
      this.#sql.exec("DELETE FROM server_proposal WHERE server = ? AND digest = ?", server, digest).rowsWritten > 0
    );
  }

  /** What waits, each tool beside what was accepted of it before. */
  waiting(): Proposal[] {
    return this.#proposals().map(({ server, digest, tools, first_at }) => ({
      server,
      digest,
      first_at,
      tools: (JSON.parse(tools) as ShownTool[]).map(({ name, definition }) => ({
        name,
        shown: definition,
        accepted: this.#definition(server, name),
      })),
    }));
  }

  /** Takes out of a signed statement what its owner decided after it, so that it cannot be shown again against them. */
  #retract(server: string, isDecided: (tool: string) => boolean): void {
    const signed = this.#signatures().find((row) => row.server === server);
    if (signed === undefined) return;
    const kept = Object.entries(signed.tools).filter(([tool]) => !isDecided(tool));
    const text = canonicalJson(Object.fromEntries(kept));
    this.#sql.exec("UPDATE server_signature SET tools = ? WHERE server = ?", text, server);
  }

  #definition(server: string, tool: string): string | undefined {
    const [row] = this.#sql
      .exec<{ definition: string }>("SELECT definition FROM server_tool WHERE server = ? AND tool = ?", server, tool)
      .toArray();
    return row?.definition;
  }

  #rows() {
    return this.#sql
      .exec<{ server: string; tool: string; digest: string; signed: number }>(
        "SELECT server, tool, digest, signed FROM server_tool",
      )
      .toArray();
  }

  #signatures(): ({ readonly server: string } & SignedDefinitions)[] {
    return this.#sql
      .exec<{ server: string; tools: string; resource: string; issued_at: number; expires_at: number; key: string }>(
        "SELECT * FROM server_signature",
      )
      .toArray()
      .map((row) => ({ ...row, tools: JSON.parse(row.tools) as SignedDefinitions["tools"] }));
  }

  #proposals() {
    return this.#sql
      .exec<{ server: string; digest: string; tools: string; first_at: number }>("SELECT * FROM server_proposal")
      .toArray();
  }
}
