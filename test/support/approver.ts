import { until } from "../../demo/until.ts";
import type { SoftAuthenticator, Tweaks } from "./authenticator.ts";
import { CookieJar } from "./cookie-jar.ts";
import type { World } from "../../demo/world.ts";

/** A page as the broker answered it. */
export interface Page {
  readonly status: number;
  readonly html: string;
  /** Where it sends the browser, if it does. */
  readonly location: string | null;
}

/** An approver without a browser: posts the same forms that the pages hold, with a cookie jar. */
export class Approver {
  readonly #issuer: string;
  readonly token: string;
  readonly cookies: CookieJar;
  #fields = new Map<string, string>();

  /** @param cookie what the browser holds already, where it was here before */
  constructor(issuer: string, token: string, cookie = "") {
    this.#issuer = issuer;
    this.token = token;
    this.cookies = new CookieJar(cookie);
  }

  /** Opens the link that a person was sent by Slack. */
  static async bySlack(world: World, name: "dana" | "sam", sessionId: string, cookie?: string): Promise<Approver> {
    const id = await world.emulators.slackId(name);
    const token = await until(`${name}'s Slack message`, async () => {
      const messages = await world.emulators.directMessages(id);
      return messages.flatMap(linksIn).find((link) => claimsOf(link)["sid"] === sessionId);
    });
    return new Approver(world.issuer, token, cookie);
  }

  async view(): Promise<Page> {
    return this.post("/approve/view", { token: this.token });
  }

  /** Narrows to the units that `keep` accepts and looks at the grant. */
  async review(
    keep: (unit: string) => boolean = () => true,
    seconds?: number,
    changes: Record<string, string> = {},
  ): Promise<Page> {
    const fields = Object.fromEntries(
      [...this.#fields].filter(([name, value]) => !name.startsWith("unit.") || keep(value)),
    );
    return this.post("/approve/review", {
      ...fields,
      ...(seconds === undefined ? {} : { expires_in: String(seconds) }),
      ...changes,
    });
  }

  async decide(decision: "approve" | "deny", changes: Record<string, string> = {}): Promise<Page> {
    return this.post("/approve/decide", { ...Object.fromEntries(this.#fields), decision, ...changes });
  }

  /** The whole way, for tests that are about something else. */
  async approve(keep?: (unit: string) => boolean, seconds?: number): Promise<Page> {
    await this.view();
    await this.review(keep, seconds);
    return this.decide("approve");
  }

  /** What the page's script asks for when the button is pressed: a nonce and a challenge over the shown grant. */
  async challenge(changes: Record<string, string> = {}): Promise<{ nonce: string; challenge: string }> {
    const { html } = await this.post("/approve/challenge", { ...Object.fromEntries(this.#fields), ...changes });
    const { nonce, publicKey } = JSON.parse(html) as { nonce: string; publicKey: { challenge: string } };
    return { nonce, challenge: publicKey.challenge };
  }

  /** Signs the shown grant with a passkey, as the page's script would. */
  async sign(
    authenticator: SoftAuthenticator,
    tweaks: Tweaks = {},
    changes: Record<string, string> = {},
  ): Promise<Page> {
    const { nonce, challenge } = await this.challenge();
    return this.decide("approve", { nonce, credential: authenticator.get(challenge, tweaks), ...changes });
  }

  async deny(): Promise<Page> {
    await this.view();
    return this.decide("deny");
  }

  async post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Page> {
    const response = await fetch(this.#issuer + path, {
      method: "POST",
      redirect: "manual",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        cookie: this.cookies.header,
        origin: this.#issuer,
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    });
    this.cookies.keep(response);
    const html = await response.text();
    const found = readFields(html);
    // A page that only reports something has no decision to carry on.
    if (found.has("csrf")) this.#fields = found;
    return { status: response.status, html, location: response.headers.get("location") };
  }
}

/** The names and values of a page's first form: hidden inputs, ticked boxes and the selected option. */
export function readFields(html: string): Map<string, string> {
  const form = /<form[^>]*>(.*?)<\/form>/s.exec(html)?.[1] ?? "";
  const fields = new Map<string, string>();
  for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1];
    if (name !== undefined) fields.set(name, unescape(/value="([^"]*)"/.exec(tag)?.[1] ?? ""));
  }
  return fields;
}

function unescape(text: string): string {
  return text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

/** The tokens of all approval links in a text. */
export function linksIn(text: string): string[] {
  return [...text.matchAll(/\/approve#([A-Za-z0-9._-]+)/g)].map(([, token]) => token ?? "");
}

export function claimsOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
}
