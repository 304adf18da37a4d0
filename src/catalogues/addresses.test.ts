import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compileCatalogue } from "../domain/operations.ts";
import { shippedCatalogue } from "./index.ts";

/**
 * Calls by which an upstream is told to send or fetch something later, to an address in the body: to
 * whoever wrote it, past every grant and limit.
 */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  github: [
    "POST /repos/acme/api/hooks",
    "PATCH /repos/acme/api/hooks/1",
    "PATCH /repos/acme/api/hooks/1/config",
    "POST /repos/acme/api/hooks/1/pings",
    "POST /orgs/acme/hooks",
    "PATCH /app/hook/config",
    "POST /repos/acme/api/keys",
    "PUT /repos/acme/api/import",
    "PUT /repos/acme/api/subscription",
    "POST /repos/acme/api/dispatches",
    "POST /repos/acme/api/releases/1/assets",
    "POST /hub",
  ],
  gmail: [
    "POST /gmail/v1/users/me/watch",
    "POST /gmail/v1/users/me/settings/forwardingAddresses",
    "PUT /gmail/v1/users/me/settings/autoForwarding",
    "POST /gmail/v1/users/me/settings/filters",
  ],
  "google-calendar": [
    "POST /calendar/v3/calendars/primary/events/watch",
    "POST /calendar/v3/calendars/primary/acl/watch",
    "POST /calendar/v3/users/me/calendarList/watch",
    "POST /calendar/v3/channels/stop",
  ],
  "google-drive": ["POST /drive/v3/changes/watch", "POST /drive/v3/files/1aB/watch", "POST /drive/v3/channels/stop"],
  linear: ["POST /webhooks"],
  notion: ["POST /v1/webhooks", "POST /v1/file_uploads", "POST /v1/file_uploads/1/send"],
  slack: [
    "POST /files.remote.add",
    "POST /files.getUploadURLExternal",
    "POST /files.completeUploadExternal",
    "POST /files.upload",
    "POST /apps.manifest.update",
    "POST /apps.event.authorizations.list",
    "POST /chat.unfurl",
    "POST /views.open",
  ],
  stripe: [
    "POST /v1/webhook_endpoints",
    "POST /v1/webhook_endpoints/we_1",
    "POST /v2/core/event_destinations",
    "POST /v1/account_links",
    "POST /v1/file_links",
    "POST /v1/files",
    "POST /v1/checkout/sessions",
    "POST /v1/billing_portal/sessions",
  ],
};

/** What such calls are called, as a part of a path or of a field's name. */
const TELLING =
  /web_?hook|\/hooks?\b|watch|\/channels\/|forward|event_destination|callback|file_?upload|uploadURL|remote/i;

const shippedNames = readdirSync(import.meta.dirname)
  .filter((file) => !file.includes(".test.") && file !== "index.ts")
  .map((file) => file.replace(/\.(?:json|ts)$/, ""));

describe("P28 an address in the body, to which an upstream would send later", () => {
  it("is looked for in every catalogue that ships", () => {
    expect(Object.keys(CALLS).toSorted()).toEqual(shippedNames.toSorted());
  });

  it.each(shippedNames)("can be given by no operation of %s", (name) => {
    const { operations } = shippedCatalogue(name)!;
    const compiled = compileCatalogue({ operations });
    expect(compiled.ok).toBe(true);
    for (const call of CALLS[name]!) {
      const [method = "", path = ""] = call.split(" ");
      expect(compiled.ok ? compiled.value(method, path, []) : [call]).toEqual([]);
    }
    for (const { access, routes, graphql } of Object.values(operations)) {
      const changing = routes.filter((route) => access === "write" && !route.startsWith("GET "));
      for (const way of [...changing, ...(graphql?.mutation ?? [])]) expect(way).not.toMatch(TELLING);
    }
  });
});
