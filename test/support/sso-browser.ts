import { Approver, readFields, type Page } from "./approver.ts";
import type { TestWorld } from "./world.ts";

/** A browser that signs in: it begins here, is sent to the provider, and comes back with what that says. */
export class SsoBrowser {
  readonly issuer: string;
  readonly visitor: Approver;

  constructor(world: TestWorld, visitor = new Approver(world.issuer, "")) {
    this.issuer = world.issuer;
    this.visitor = visitor;
  }

  /** Begins to sign in; answers where the provider is to be asked. */
  async begin(purpose = "inbox"): Promise<URL> {
    const page = await this.visitor.post("/sign-in/sso", { purpose });
    if (page.location === null) throw new Error(page.html);
    return new URL(page.location);
  }

  /** Opens the address that the provider sent the browser back to, and posts what that page holds. */
  async comeBack(address: URL | string): Promise<Page> {
    const html = await (await fetch(address)).text();
    return this.visitor.post("/sign-in/finish", Object.fromEntries(readFields(html)));
  }

  /** Comes back with these parameters. */
  return(parameters: Record<string, string>): Promise<Page> {
    return this.comeBack(`${this.issuer}/sign-in/callback?${new URLSearchParams(parameters).toString()}`);
  }

  inbox(): Promise<Page> {
    return this.visitor.post("/inbox/view", {});
  }
}
