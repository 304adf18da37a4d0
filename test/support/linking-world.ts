import { freePort } from "../../demo/free-port.ts";
import { withUpstreams } from "./lending.ts";
import { NOTES_SECRET, startNotesCompany, type NotesCompany } from "./notes-account.ts";
import { startTestWorld, type TestWorld } from "./world.ts";

const NOTES = {
  operations: {
    "notes:read": { access: "read", title: "Read notes", routes: ["GET /notes"], scopes: ["notes.read"] },
    "notes:write": { access: "write", title: "Write notes", routes: ["POST /notes"], scopes: ["notes.write"] },
  },
};

/** A broker at which people link their accounts of a company (twice: `notes` and `other.notes`), and the company. */
export interface LinkingWorld {
  readonly world: TestWorld;
  readonly company: NotesCompany;
}

export async function startLinkingWorld(): Promise<LinkingWorld> {
  const issuer = `http://localhost:${await freePort()}`;
  const notes = {
    connector: "oauth2",
    base_url: `${issuer}/api`,
    catalogue: NOTES,
    grant_type: "authorization_code",
    authorization_server: issuer,
    revocation_endpoint: `${issuer}/token/revocation`,
    client_id: "stint",
    client_secret: { secret: "NOTES_SECRET" },
    // oidc-provider, as others, gives lasting access only to who is asked for consent.
    scope: "notes.read notes.write offline_access",
    authorization_parameters: { prompt: "consent" },
  };
  const world = await startTestWorld({
    secrets: { NOTES_SECRET },
    adjust: (document) => ({
      ...withUpstreams(document, [
        { ...notes, id: "notes" },
        { ...notes, id: "other.notes" },
      ] as never),
      people: [...(document["people"] as object[]), { id: "max@acme.example", name: "Max" }],
    }),
  });
  const callback = (id: string): string => `${world.issuer}/accounts/callback/${id}`;
  const company = await startNotesCompany(issuer, [callback("notes"), callback("other.notes")]);
  return { world, company };
}
