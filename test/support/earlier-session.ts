/** Makes of a session's tables what an earlier release had, with what stands in them. */
export const EARLIER_TABLES = `
  CREATE TABLE poll (id INTEGER PRIMARY KEY CHECK (id = 1), last_at INTEGER NOT NULL, interval_seconds INTEGER NOT NULL);
  INSERT INTO poll SELECT 1, polled_at, poll_interval_seconds FROM session WHERE polled_at IS NOT NULL;
  CREATE TABLE receipt (id INTEGER PRIMARY KEY CHECK (id = 1), jws TEXT NOT NULL);
  INSERT INTO receipt SELECT 1, receipt FROM session WHERE receipt IS NOT NULL;
  ALTER TABLE session DROP COLUMN has_revoked;
  ALTER TABLE session DROP COLUMN polled_at;
  ALTER TABLE session DROP COLUMN poll_interval_seconds;
  ALTER TABLE session DROP COLUMN receipt;
  CREATE TABLE IF NOT EXISTS revoked_token (jti TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE refusal_count (id INTEGER PRIMARY KEY CHECK (id = 1), recorded INTEGER NOT NULL, dropped INTEGER NOT NULL);
  INSERT INTO refusal_count SELECT 1, refused, dropped FROM journal;
  CREATE TABLE ledger_cursor (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
  INSERT INTO ledger_cursor SELECT 1, sent FROM journal;
  DROP TABLE journal`;
