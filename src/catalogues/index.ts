import type { Catalogue } from "../domain/tenant.ts";
import github from "./github.json" with { type: "json" };
import gmail from "./gmail.json" with { type: "json" };
import googleCalendar from "./google-calendar.json" with { type: "json" };
import googleDrive from "./google-drive.json" with { type: "json" };
import { linear } from "./linear.ts";
import notion from "./notion.json" with { type: "json" };
import slack from "./slack.json" with { type: "json" };
import stripe from "./stripe.json" with { type: "json" };

/** What ships: each service's public API, as data. `catalogues.test.ts` holds every file to the schema. */
const CATALOGUES: ReadonlyMap<string, Catalogue> = new Map(
  Object.entries({
    github,
    gmail,
    "google-calendar": googleCalendar,
    "google-drive": googleDrive,
    linear,
    notion,
    slack,
    stripe,
  }) as [string, Catalogue][],
);

/** A catalogue that ships with Stint, by the name that a tenant's document uses. */
export function shippedCatalogue(name: string): Catalogue | undefined {
  return CATALOGUES.get(name);
}
