/**
 * Adds a column to a table that an earlier release made without it. Doing it again changes nothing, so
 * it runs whenever an object wakes, and rows of either release are read by both.
 *
 * @param definition the column as SQL has it; it must allow NULL or have a default
 */
export function addColumn(sql: SqlStorage, table: string, name: string, definition: string): void {
  const has = sql.exec("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", table, name).toArray().length > 0;
  if (!has) sql.exec(`ALTER TABLE ${table} ADD COLUMN ${name} ${definition}`);
}
