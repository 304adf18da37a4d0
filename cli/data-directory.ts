import { createHmac, randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { CliError } from "./cli-error.ts";

const KEY_BYTES = 32;

/** The directory in which a broker keeps all it must not lose. */
export interface DataDirectory {
  readonly path: string;
  /** base64url of 32 bytes each. */
  readonly kek: string;
  /** The key-encryption key before this one, until nothing needs it any more. */
  readonly oldKek: string | undefined;
  readonly adminKey: string;
}

/** Opens the directory for a broker, making it and its keys at the first start. */
export function openDataDirectory(path: string): DataDirectory {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  mkdirSync(join(path, "objects"), { recursive: true, mode: 0o700 });
  const fresh = !existsSync(join(path, "kek"));
  // Objects without their key are lost; a new key beside them would only hide that.
  if (fresh && existsSync(join(path, "initialised"))) {
    throw new CliError(
      `${join(path, "kek")} is missing. What this broker has stored is sealed under it: restore the file, or start with an empty --data directory.`,
    );
  }
  const old = join(path, "kek.old");
  const directory = {
    path,
    kek: key(join(path, "kek")),
    oldKek: existsSync(old) ? readKey(old) : undefined,
    adminKey: key(join(path, "admin-key")),
  };
  if (fresh) writeNew(join(path, "initialised"), new Date().toISOString());
  return directory;
}

/**
 * Puts a new key-encryption key in the place of the old one, which stays beside it. Cut off anywhere, it
 * leaves a pair that opens everything, and can be done again.
 */
export function replaceKek(path: string): void {
  const [file, old] = [join(path, "kek"), join(path, "kek.old")];
  if (!existsSync(file)) throw new CliError(`${path} is not a broker's data directory (no kek in it); pass --data`);
  const current = readKey(file);
  if (existsSync(old) && readKey(old) !== current)
    throw new CliError(
      `${old} is there: finish the last change first. Run stint keys rotate for every tenant, then remove that file.`,
    );
  writeNew(old, current);
  writeNew(file, randomBytes(KEY_BYTES).toString("base64url"));
}

/** The admin token of a tenant, derived from a data directory's key. */
export function adminTokenOf(path: string, issuer: string): string {
  const file = join(path, "admin-key");
  if (!existsSync(file))
    throw new CliError(
      `${path} is not a broker's data directory (no admin-key in it); pass --data, or set STINT_ADMIN_TOKEN`,
    );
  return adminTokenBy(readKey(file), issuer);
}

/**
 * The admin token of a tenant.
 *
 * @param adminKey base64url of 32 bytes
 */
export function adminTokenBy(adminKey: string, issuer: string): string {
  const secret = Buffer.from(adminKey, "base64url");
  return `adm_${createHmac("sha256", secret).update(`stint admin\n${issuer}`).digest("base64url")}`;
}

function key(file: string): string {
  if (!existsSync(file)) writeNew(file, randomBytes(KEY_BYTES).toString("base64url"));
  return readKey(file);
}

function readKey(file: string): string {
  const { mode, uid } = statSync(file);
  if ((mode & 0o077) !== 0) throw new CliError(`${file} can be read by others; run: chmod 600 ${file}`);
  if (process.getuid !== undefined && uid !== process.getuid())
    throw new CliError(`${file} belongs to another user; start the broker as its owner`);
  const text = readFileSync(file, "utf8").trim();
  if (!/^[A-Za-z0-9_-]{43}$/.test(text))
    throw new CliError(`${file} does not hold a key (32 bytes in base64url); restore it from a backup`);
  return text;
}

/** Writes a file that must be whole or not there at all. */
function writeNew(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.new`;
  const handle = openSync(temporary, "wx", 0o600);
  writeSync(handle, text);
  fsyncSync(handle);
  closeSync(handle);
  renameSync(temporary, file);
}
