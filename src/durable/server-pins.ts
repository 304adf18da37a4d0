import { proposalDigest } from "../crypto/proposal-digest.ts";
import type { AcceptedTools, ServerDefinitions, ShownTool } from "../domain/tool-definitions.ts";

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

/** The SQL of the tool definitions that owners accepted, and of those that wait for them. */
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
    `);
  }

  /** What is known of every server, by its id. */
  all(): { [server: string]: ServerDefinitions } {
    const known = new Map<string, { accepted: { [tool: string]: string }; proposal?: string }>();
    const of = (server: string) => {
      const entry = known.get(server) ?? { accepted: {} };
      known.set(server, entry);
      return entry;
    };
    for (const { server, tool, digest } of this.#rows()) of(server).accepted[tool] = digest;
    for (const { server, digest } of this.#proposals()) of(server).proposal = digest;
    return Object.fromEntries(known);
  }

  accepted(server: string): AcceptedTools {
    return Object.fromEntries(
      this.#rows().flatMap((row) => (row.server === server ? [[row.tool, row.digest] as const] : [])),
    );
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

  /** Accepts exactly this difference; answers its tools, or undefined when it is not what waits. */
  accept(server: string, digest: string): string[] | undefined {
    const proposal = this.#proposals().find((row) => row.server === server && row.digest === digest);
    if (proposal === undefined) return undefined;
    const shown = JSON.parse(proposal.tools) as ShownTool[];
    for (const tool of shown) {
      this.#sql.exec(
        `INSERT INTO server_tool (server, tool, digest, definition) VALUES (?, ?, ?, ?)
         ON CONFLICT (server, tool) DO UPDATE SET digest = excluded.digest, definition = excluded.definition`,
        server,
        tool.name,
        tool.digest,
        tool.definition,
      );
    }
    this.dismiss(server, digest);
    return shown.map(({ name }) => name);
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

  #definition(server: string, tool: string): string | undefined {
    const [row] = this.#sql
      .exec<{ definition: string }>("SELECT definition FROM server_tool WHERE server = ? AND tool = ?", server, tool)
      .toArray();
    return row?.definition;
  }

  #rows() {
    return this.#sql
      .exec<{ server: string; tool: string; digest: string }>("SELECT server, tool, digest FROM server_tool")
      .toArray();
  }

  #proposals() {
    return this.#sql
      .exec<{ server: string; digest: string; tools: string; first_at: number }>("SELECT * FROM server_proposal")
      .toArray();
  }
}
