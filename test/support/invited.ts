import { createHash } from "node:crypto";
import { Approver } from "./approver.ts";
import { SoftAuthenticator, type Tweaks } from "./authenticator.ts";
import type { TestWorld } from "./world.ts";

/** The token of a fresh invitation for somebody. */
export async function invitation(world: TestWorld, person: string, body: object = {}): Promise<string> {
  const { body: answer } = await world.broker.admin("POST", `/admin/people/${encodeURIComponent(person)}/invite`, body);
  return String(answer["link"]).split("#")[1] ?? "";
}

/** An invited person's browser, at the page where passkeys are made. */
export class Invited {
  readonly #post: Approver;
  readonly token: string;

  constructor(world: TestWorld, token: string) {
    this.token = token;
    this.#post = new Approver(world.issuer, token);
  }

  view() {
    return this.#post.post("/enrol/view", { token: this.token });
  }

  async challenge(): Promise<{ nonce: string; challenge: string }> {
    const { html } = await this.#post.post("/enrol/challenge", { token: this.token });
    const { nonce, publicKey } = JSON.parse(html) as { nonce: string; publicKey: { challenge: string } };
    return { nonce, challenge: publicKey.challenge };
  }

  async make(authenticator: SoftAuthenticator, tweaks: Tweaks = {}, changes: Record<string, string> = {}) {
    const { nonce, challenge } = await this.challenge();
    const credential = authenticator.create(challenge, tweaks);
    return this.#post.post("/enrol/finish", { token: this.token, nonce, credential, ...changes });
  }
}

/** Makes a passkey for somebody. */
export async function enrolled(world: TestWorld, person: string, body: object = {}): Promise<SoftAuthenticator> {
  const authenticator = new SoftAuthenticator(world.issuer);
  const page = await new Invited(world, await invitation(world, person, body)).make(authenticator);
  if (page.status !== 200) throw new Error(page.html);
  return authenticator;
}

/** A browser in which somebody has signed in with a passkey of theirs. */
export async function signedInByPasskey(world: TestWorld, person: string): Promise<Approver> {
  const authenticator = await enrolled(world, person, { at_once: true });
  const visitor = new Approver(world.issuer, "");
  const { nonce, publicKey } = JSON.parse((await visitor.post("/sign-in/challenge", {})).html) as {
    nonce: string;
    publicKey: { challenge: string };
  };
  const userHandle = createHash("sha256").update(`${world.issuer} ${person}`).digest("base64url");
  const page = await visitor.post("/sign-in/passkey", {
    nonce,
    credential: authenticator.get(publicKey.challenge, { userHandle }),
  });
  if (page.location !== "/inbox") throw new Error(page.html);
  return visitor;
}
