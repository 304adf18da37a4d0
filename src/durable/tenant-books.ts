import { AbsenceStore } from "./absence-store.ts";
import { BacklogStore } from "./backlog-store.ts";
import { ConfigStore } from "./config-store.ts";
import { CutOffStore } from "./cut-off-store.ts";
import { GlassStore } from "./glass-store.ts";
import { Journal, type EventData } from "./journal.ts";
import { KeyStore } from "./key-store.ts";
import { Outbox } from "./outbox.ts";
import { SecretStore } from "./secret-store.ts";
import { ServerPins } from "./server-pins.ts";
import { SessionIndex } from "./session-index.ts";
import type { Words } from "./tell.ts";
import { TenantKeyStore } from "./tenant-key-store.ts";
import { UpstreamFlags } from "./upstream-flags.ts";

const STORES = [
  ConfigStore,
  SecretStore,
  CutOffStore,
  SessionIndex,
  AbsenceStore,
  KeyStore,
  TenantKeyStore,
  UpstreamFlags,
  Outbox,
  GlassStore,
  ServerPins,
  BacklogStore,
  Journal,
];

/**
 * Everything a tenant has written down, and the few entries that always go together. All of it is
 * synchronous, so that a caller can put it into one transaction.
 */
export class TenantBooks {
  readonly #storage: DurableObjectStorage;
  readonly config: ConfigStore;
  readonly secrets: SecretStore;
  readonly cutOffs: CutOffStore;
  readonly sessions: SessionIndex;
  readonly absences: AbsenceStore;
  readonly keys: KeyStore;
  readonly tenantKeys: TenantKeyStore;
  readonly flags: UpstreamFlags;
  readonly outbox: Outbox;
  readonly glass: GlassStore;
  readonly pins: ServerPins;
  readonly backlog: BacklogStore;
  readonly journal: Journal;

  constructor(storage: DurableObjectStorage) {
    const { sql } = storage;
    sql.exec(`
      CREATE TABLE IF NOT EXISTS about (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL);
    `);
    for (const store of STORES) store.createTables(sql);
    this.#storage = storage;
    this.config = new ConfigStore(sql);
    this.secrets = new SecretStore(sql);
    this.cutOffs = new CutOffStore(sql);
    this.sessions = new SessionIndex(sql);
    this.absences = new AbsenceStore(sql);
    this.keys = new KeyStore(sql);
    this.tenantKeys = new TenantKeyStore(sql);
    this.flags = new UpstreamFlags(sql);
    this.outbox = new Outbox(sql);
    this.glass = new GlassStore(sql);
    this.pins = new ServerPins(sql);
    this.backlog = new BacklogStore(sql);
    this.journal = new Journal(sql, "tenant");
  }

  /** One transaction. What throws is undone. */
  transaction<T>(work: () => T): T {
    return this.#storage.transactionSync(work);
  }

  /** Epoch seconds that never run backwards. */
  now(): number {
    return Math.max(Math.floor(Date.now() / 1000), this.journal.head().at);
  }

  record(type: string, data: EventData): void {
    this.journal.append(type, data, this.now());
  }

  issuer(): string {
    return this.#storage.sql.exec<{ issuer: string }>("SELECT issuer FROM about").one().issuer;
  }

  /** Keeps whose object this is, from its first call on. */
  nameIssuer(issuer: string): void {
    this.#storage.sql.exec("INSERT INTO about (id, issuer) VALUES (1, ?) ON CONFLICT DO NOTHING", issuer);
  }

  /** The number of the newest change that isolates have to learn of. */
  revision(): number {
    return this.#storage.sql.exec<{ n: number }>("SELECT n FROM revision").toArray()[0]?.n ?? 0;
  }

  /** Something changed that isolates have to learn of. */
  bump(): void {
    this.#storage.sql.exec("INSERT INTO revision (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1");
  }

  /** @param about what the words are about: the same again is told once */
  tell(people: readonly string[], words: Words, about: string): void {
    for (const person of people)
      for (const channel of ["slack", "email"] as const)
        this.outbox.put(`${about}:${channel}:${person}`, "tell", { channel, person, ...words }, Date.now());
  }
}
