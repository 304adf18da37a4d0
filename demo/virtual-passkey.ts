import type { Page } from "playwright-core";

/**
 * Gives a page an authenticator of Chromium's own (WebAuthn in the DevTools protocol): real passkeys,
 * with a finger that is always there.
 */
export async function addVirtualPasskey(page: Page): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
}

/** Follows an invitation to its end. */
export async function makePasskey(page: Page, invitation: string): Promise<void> {
  await page.goto(invitation);
  await page.getByRole("button", { name: "Make a passkey" }).click();
  await page.getByRole("heading", { name: "Your passkey is ready" }).waitFor();
}
