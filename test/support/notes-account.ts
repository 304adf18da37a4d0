import { createServer } from "node:http";
import { Provider } from "oidc-provider";
import { walkThrough } from "./human-at-provider.ts";

export const NOTES_SECRET = "notes-client-secret-of-32-characters";

/** A company at which people have notes of their own: `oidc-provider`, and the API behind it. */
export interface NotesCompany {
  readonly issuer: string;
  /** What a person consents to there; all that is asked for, unless told. */
  consent: { scopes: readonly string[] | undefined };
  /** Whose notes the API was asked for. */
  readonly served: string[];
  /** What reached the token and revocation endpoints. */
  readonly asked: { readonly path: string; readonly form: Record<string, string> }[];
  /** Answers this in place of the next token answer, as a proxy in between would that lost it. */
  dropNextTokenAnswer(): void;
  /** Somebody's way through the company's pages. */
  signIn(address: string, login: string): Promise<URL>;
  close(): Promise<void>;
}

/** @param callbacks the only addresses it sends browsers back to */
export async function startNotesCompany(issuer: string, callbacks: readonly string[]): Promise<NotesCompany> {
  const consent: NotesCompany["consent"] = { scopes: undefined };
  const provider = new Provider(issuer, {
    scopes: ["notes.read", "notes.write", "offline_access"],
    claims: { openid: ["sub"] },
    features: { revocation: { enabled: true }, devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    cookies: { keys: ["a key for this test alone"] },
    rotateRefreshToken: true,
    ttl: { AccessToken: 600, RefreshToken: 86_400, Grant: 86_400, Interaction: 600, Session: 600 },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    clients: [
      {
        client_id: "stint",
        client_secret: NOTES_SECRET,
        grant_types: ["refresh_token", "authorization_code"],
        redirect_uris: [...callbacks],
        scope: "notes.read notes.write offline_access",
      },
    ],
  });
  provider.on("server_error", (_, fault) => void process.stderr.write(`${String(fault.stack)}\n`));
  const asked: NotesCompany["asked"] = [];
  const served: string[] = [];
  let drops = 0;
  const handle = provider.callback();
  const server = createServer((incoming, outgoing) => {
    const { url = "" } = incoming;
    if (url.startsWith("/interaction/")) {
      void interact(incoming, outgoing);
      return;
    }
    if (url.startsWith("/api/")) {
      void serve(incoming.headers.authorization ?? "", incoming.method === "GET" ? "notes.read" : "notes.write").then(
        (status) => outgoing.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ status })),
      );
      return;
    }
    const body: Buffer[] = [];
    if (incoming.method === "POST") incoming.on("data", (chunk: Buffer) => void body.push(chunk));
    incoming.on("end", () => {
      if (incoming.method === "POST")
        asked.push({ path: url, form: Object.fromEntries(new URLSearchParams(Buffer.concat(body).toString())) });
    });
    if (url === "/token" && drops > 0) {
      drops -= 1;
      outgoing.end = () => outgoing.destroy();
    }
    void handle(incoming, outgoing);
  });

  async function serve(authorization: string, needed: string): Promise<number> {
    const found = await provider.AccessToken.find(authorization.replace(/^Bearer /, ""));
    if (found === undefined || !(found.scope ?? "").split(" ").includes(needed)) return 401;
    served.push(found.accountId);
    return 200;
  }

  /** One page for both questions: who are you, and do you agree. */
  async function interact(
    incoming: Parameters<typeof handle>[0],
    outgoing: Parameters<typeof handle>[1],
  ): Promise<void> {
    if (incoming.method !== "POST") {
      outgoing.setHeader("content-type", "text/html");
      outgoing.end(
        `<!doctype html><html lang="en"><title>Notes</title><form method="post"><label>Login <input name="login"></label><button>Allow</button></form>`,
      );
      return;
    }
    let body = "";
    for await (const chunk of incoming) body += String(chunk);
    const login = new URLSearchParams(body).get("login") ?? "";
    const { prompt, params } = await provider.interactionDetails(incoming, outgoing);
    if (login === "") {
      await provider.interactionFinished(incoming, outgoing, { error: "access_denied" });
      return;
    }
    const grant = new provider.Grant({ accountId: login, clientId: String(params["client_id"]) });
    grant.addOIDCScope((consent.scopes ?? String(params["scope"]).split(" ")).join(" "));
    const refused = consent.scopes === undefined ? [] : String(params["scope"]).split(" ");
    const missing = refused.filter((scope) => !consent.scopes?.includes(scope));
    if (missing.length > 0) grant.rejectOIDCScope(missing.join(" "));
    const result = {
      login: { accountId: login },
      ...(prompt.name === "consent" || prompt.name === "login" ? { consent: { grantId: await grant.save() } } : {}),
    };
    await provider.interactionFinished(incoming, outgoing, result, { mergeWithLastSubmission: false });
  }

  await new Promise<void>((done) => void server.listen(Number(new URL(issuer).port), "127.0.0.1", done));
  return {
    issuer,
    consent,
    served,
    asked,
    dropNextTokenAnswer: () => {
      drops += 1;
    },
    signIn: (address, login) => walkThrough(address, login, new URL(callbacks[0] ?? "").origin),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
