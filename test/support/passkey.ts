import type { World } from "../../demo/world.ts";
import { Approver } from "./approver.ts";
import { SoftAuthenticator } from "./authenticator.ts";

/** Invites a person and makes them a passkey, as their browser would. */
export async function makePasskeyFor(world: World, person: string): Promise<SoftAuthenticator> {
  const { body } = await world.broker.admin("POST", `/admin/people/${encodeURIComponent(person)}/invite`, {});
  const token = String(body["link"]).split("#")[1] ?? "";
  const browser = new Approver(world.issuer, token);
  const { html } = await browser.post("/enrol/challenge", { token });
  const { nonce, publicKey } = JSON.parse(html) as { nonce: string; publicKey: { challenge: string } };
  const authenticator = new SoftAuthenticator(world.issuer);
  const credential = authenticator.create(publicKey.challenge);
  const page = await browser.post("/enrol/finish", { token, nonce, credential });
  if (page.status !== 200) throw new Error(page.html);
  return authenticator;
}
