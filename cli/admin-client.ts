import { request } from "node:http";
import { isIssuer } from "../sdk/shared/issuer.ts";
import { CliError } from "./cli-error.ts";
import { adminTokenOf } from "./data-directory.ts";

export const DEFAULT_URL = "http://localhost:8787";
export const DEFAULT_DATA = ".stint";

/** Options that every command for operators takes. */
export const ADMIN_OPTIONS = { url: { type: "string" }, data: { type: "string" } } as const;

export const ADMIN_HELP = `  --url ISSUER   the tenant's issuer (or STINT_URL; default ${DEFAULT_URL})
  --data DIR     the broker's data directory, for its admin key (default ${DEFAULT_DATA});
                 elsewhere set STINT_ADMIN_TOKEN (stint admin-token prints it)
`;

export interface AdminAccess {
  readonly url?: string | undefined;
  readonly data?: string | undefined;
  /** The loopback port to connect to, when the issuer's name may not lead here. */
  readonly viaPort?: number | undefined;
}

/** The tenant's issuer, by the option or else the environment. Throws a {@link CliError} where it can be none. */
export function issuerOf(url: string | undefined): string {
  const issuer = url ?? process.env["STINT_URL"] ?? DEFAULT_URL;
  if (isIssuer(issuer)) return issuer;
  throw new CliError(
    `"${issuer}" is no issuer; it looks like https://stint.acme.example, without a path or a final slash, and with http only on loopback`,
    2,
  );
}

/** Calls the admin API of one tenant. Throws a {@link CliError} that says what to do. */
export async function callAdmin<T>(access: AdminAccess, method: string, path: string, body?: unknown): Promise<T> {
  const issuer = issuerOf(access.url);
  const token = process.env["STINT_ADMIN_TOKEN"] ?? adminTokenOf(access.data ?? DEFAULT_DATA, issuer);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  const text = body === undefined ? undefined : JSON.stringify(body);
  let response: { status: number; text: string };
  try {
    response =
      access.viaPort === undefined
        ? await viaName(issuer + path, method, headers, text)
        : await viaLoopback(access.viaPort, new URL(issuer).host, path, method, headers, text);
  } catch {
    throw new CliError(`no broker answers at ${issuer}; start one with stint serve, or name it with --url`);
  }
  const answer = readJson(response.text) as AdminError;
  if (response.status >= 200 && response.status < 300) return answer as T;
  if (response.status === 401)
    throw new CliError(
      token.startsWith("adt_")
        ? `${issuer} does not take this auditor's token, or no longer; stint auditor-token makes another`
        : `${issuer} does not take this admin token; name the broker's own directory with --data, or set STINT_ADMIN_TOKEN`,
    );
  if (answer.error === "not_found") throw new CliError(`${answer.error_description}; ${whereNamed(path)}`);
  const problems = (answer.problems ?? []).map(({ path: at, message }) => `\n  ${at || "/"}: ${message}`).join("");
  throw new CliError(`${answer.error_description ?? `the broker answered ${response.status}`}${problems}`);
}

async function viaName(url: string, method: string, headers: Record<string, string>, body: string | undefined) {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  return { status: response.status, text: await response.text() };
}

/** fetch() does not let its caller say another Host than the URL's, so this is said in plain HTTP. */
function viaLoopback(
  port: number,
  host: string,
  path: string,
  method: string,
  headers: Record<string, string>,
  body: string | undefined,
) {
  return new Promise<{ status: number; text: string }>((done, fail) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers: { ...headers, host } }, (response) => {
      let text = "";
      response
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () => done({ status: response.statusCode ?? 0, text }));
    });
    sent.on("error", fail).end(body);
  });
}

/** Where the names stand of which one was not known. */
function whereNamed(path: string): string {
  const kind = path.split("/")[2] ?? "";
  return LISTED_BY[kind] ?? "its people and agents are in the tenant document, see stint apply";
}

const LISTED_BY: Readonly<Record<string, string>> = {
  sessions: "stint sessions lists them",
  "break-glass": "stint sessions lists them",
  keys: "stint keys list names them",
  servers: "stint servers list names them, and the digest of each difference",
  upstreams: "stint upstreams list names them",
  connections: "stint connections list names them",
  secrets: "stint secrets list names them",
};

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

interface AdminError {
  readonly error?: string;
  readonly error_description?: string;
  readonly problems?: readonly { readonly path: string; readonly message: string }[];
}
