import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_AUDITOR_SECONDS } from "../../src/domain/auditor.ts";
import { objectName } from "../../src/domain/ids.ts";
import type { Tenant } from "../../src/durable/tenant.ts";
import {
  admin,
  agent,
  applyDocument,
  ASK,
  at,
  atWork,
  beginWorld,
  endWorld,
  ISSUER,
  ISSUERS,
  START,
  tenantDocument,
  tick,
} from "./world.ts";

const [, OTHER] = ISSUERS;

async function documentWith(roles: readonly string[]): Promise<Record<string, unknown>> {
  const document = (await tenantDocument()) as { people: object[] };
  return { ...document, people: [...document.people, { id: "kim", name: "Kim", roles }] };
}

beforeEach(async () => {
  await beginWorld();
  await applyDocument(await documentWith(["auditor"]));
});
afterEach(endWorld);

async function admitted(expires_in?: unknown): Promise<string> {
  const answer = await admin("POST", "/admin/people/kim/auditor-token", expires_in === undefined ? {} : { expires_in });
  expect(answer.status).toBe(200);
  return (await answer.json<{ token: string }>()).token;
}

function by(token: string, method: string, path: string, issuer: string = ISSUER): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return fetch(issuer + path, { method, headers, ...(method === "GET" || method === "HEAD" ? {} : { body: "{}" }) });
}

/** ES256 signs the same head otherwise each time. */
function withoutSignature(answer: unknown): object {
  return { ...(answer as object), checkpoint: undefined };
}

describe("an auditor", () => {
  it("reads what happened, as the operator does", async () => {
    const { opened } = await atWork(1);
    await admin("POST", `/admin/sessions/${opened.session_id}/revoke`, {});
    await tick(opened.session_id);
    const token = await admitted();
    for (const path of [
      "/admin/audit",
      "/admin/audit?after=1",
      "/admin/sessions",
      `/admin/sessions/${opened.session_id}`,
      `/admin/sessions/${opened.session_id}/receipt`,
      "/admin/tenant",
      "/admin/keys",
      "/admin/break-glass",
    ]) {
      const answer = await by(token, "GET", path);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(withoutSignature(await answer.json())).toEqual(withoutSignature(await (await admin("GET", path)).json()));
    }
  });

  it("is named in the log, with until when", async () => {
    await admitted(600);
    await runInDurableObject(env.TENANT.getByName(objectName(ISSUER)), (tenant: Tenant) => tenant.alarm());
    const { rows } = await (await admin("GET", "/admin/audit")).json<{ rows: { type: string; data: string }[] }>();
    expect(rows.find(({ type }) => type === "auditor.admitted")).toMatchObject({
      data: JSON.stringify({ person: "kim", until: START + 600 }),
    });
  });

  it("changes nothing, and is handed nothing", async () => {
    const { opened } = await atWork(1);
    const { body: waiting } = await (await agent(2)).ask(ASK);
    const token = await admitted();
    const before = await (await admin("GET", "/admin/sessions")).text();
    for (const [method, path] of [
      ["POST", "/admin/tenant"],
      ["POST", "/admin/tenant?dry_run=true"],
      ["POST", `/admin/sessions/${opened.session_id}/revoke`],
      ["POST", `/admin/sessions/${waiting.session_id}/revoke`],
      ["POST", "/admin/agents/bot-1/revoke"],
      ["POST", "/admin/agents/bot-1/reinstate"],
      ["POST", "/admin/people/dana/revoke"],
      ["POST", "/admin/people/kim/invite"],
      ["POST", "/admin/people/kim/auditor-token"],
      ["PUT", "/admin/people/dana/away"],
      ["DELETE", "/admin/people/dana/away"],
      ["GET", "/admin/people/dana/passkeys"],
      ["POST", "/admin/people/dana/passkeys/revoke"],
      ["POST", "/admin/revoke"],
      ["GET", "/admin/secrets"],
      ["PUT", "/admin/secrets/API_KEY"],
      ["DELETE", "/admin/secrets/API_KEY"],
      ["POST", "/admin/keys/rotate"],
      ["POST", "/admin/keys/key_x/retire"],
      ["POST", "/admin/break-glass"],
      ["POST", "/admin/servers/x/accept"],
      ["POST", "/admin/upstreams/api/clear"],
      ["POST", "/admin/connections/API_KEY/retry"],
      ["POST", "/admin/audit"],
      ["HEAD", "/admin/audit"],
      ["GET", "/admin/audit/"],
      ["GET", "/admin//audit"],
      ["GET", "/admin/sessions/x/receipt/y"],
      ["GET", "/admin/%61udit"],
      ["GET", "/admin/nothing"],
    ] as const) {
      expect([method, path, (await by(token, method, path)).status]).toEqual([method, path, 403]);
    }
    expect(await (await admin("GET", "/admin/sessions")).text()).toBe(before);
  });

  it("is let in by an operator alone, under the role, and for a month at most", async () => {
    for (const expires_in of [0, -1, 1.5, "600", null, MAX_AUDITOR_SECONDS + 1])
      expect((await admin("POST", "/admin/people/kim/auditor-token", { expires_in })).status).toBe(400);
    expect((await admin("POST", "/admin/people/kim/auditor-token", { forever: true })).status).toBe(400);
    expect((await admin("POST", "/admin/people/dana/auditor-token", {})).status).toBe(403);
    expect((await admin("POST", "/admin/people/nobody/auditor-token", {})).status).toBe(404);
    expect((await admin("POST", "/admin/people/kim/auditor-token", { expires_in: MAX_AUDITOR_SECONDS })).status).toBe(
      200,
    );
  });

  it("is out when the time is over, to the second", async () => {
    const token = await admitted(60);
    at(59);
    expect((await by(token, "GET", "/admin/audit")).status).toBe(200);
    at(60);
    expect((await by(token, "GET", "/admin/audit")).status).toBe(401);
  });

  it("is out without the role, and without a place in the document", async () => {
    const token = await admitted();
    await applyDocument(await documentWith(["approver", "admin"]));
    expect((await by(token, "GET", "/admin/audit")).status).toBe(401);
    await applyDocument(await tenantDocument());
    expect((await by(token, "GET", "/admin/audit")).status).toBe(401);
  });

  it.each(["/admin/people/kim/revoke", "/admin/revoke"])("is out after %s, until let in again", async (path) => {
    const token = await admitted();
    at(1);
    await admin("POST", path, {});
    expect((await by(token, "GET", "/admin/audit")).status).toBe(401);
    at(2);
    expect((await by(await admitted(), "GET", "/admin/audit")).status).toBe(200);
  });

  it("is nobody with a token that was altered, is another tenant's, or is none", async () => {
    const token = await admitted(60);
    const [claims = "", mac = ""] = token.slice("adt_".length).split(".");
    const longer = Buffer.from(claims, "base64url")
      .toString()
      .replace(`${START + 60}`, `${START + 6000}`);
    expect(longer).toContain(`${START + 6000}`);
    for (const forged of [
      `adt_${Buffer.from(longer).toString("base64url")}.${mac}`,
      `adt_${claims}.${mac.slice(0, -1)}`,
      `adt_${claims}.`,
      `adt_${claims}`,
      `adt_${claims}.${mac}.${mac}`,
      `adm_${claims}.${mac}`,
      `adm_${mac}`,
      "adt_.",
      "adt_",
      `${token} x`,
    ])
      expect([forged, (await by(forged, "GET", "/admin/audit")).status]).toEqual([forged, 401]);
    expect((await by(token, "GET", "/admin/audit", OTHER)).status).toBe(401);
    await applyDocument({ ...(await documentWith(["auditor"])), issuer: OTHER }, OTHER);
    expect((await by(token, "GET", "/admin/audit", OTHER)).status).toBe(401);
    const basic = await fetch(`${ISSUER}/admin/audit`, { headers: { authorization: `Basic ${token}` } });
    expect(basic.status).toBe(401);
  });
});
