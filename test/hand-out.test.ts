import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generateKeyPair, type CryptoKey } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver } from "./support/approver.ts";
import { auditRows } from "./support/audit-rows.ts";
import {
  atGithub,
  handOut,
  open,
  PLAIN,
  startHandOutWorld,
  SVC_ACCESS,
  TICKETS,
  UPSTREAM_TOKEN,
  type HandOutWorld,
  type Loose,
} from "./support/hand-out-world.ts";
import { receiptOf } from "./support/lending.ts";
import { tokenReply } from "./support/token-endpoint.ts";
import { ask, READ_API, tokenOf, WRITE_API } from "./support/world.ts";

const ISSUES = "/repos/acme/api/issues";
const LIMITED = [READ_API, WRITE_API].map((detail) => ({ ...detail, limits: { calls: 5 } }));

let world: HandOutWorld;
beforeAll(async () => {
  world = await startHandOutWorld();
});
afterAll(() => world?.close());
beforeEach(() => {
  world.endpoint.reply = () => tokenReply();
});

const eventsOf = async (sessionId: string, type: string) =>
  until(`${type} in the log`, async () => {
    const rows = (await auditRows(world)).filter((row) => row.source === sessionId && row.type === type);
    return rows.length === 0 ? undefined : rows.map(({ data }) => JSON.parse(data) as Record<string, unknown>);
  });
describe("an upstream's own token", () => {
  it("is handed to the server that the tenant named, encrypted to its key, and dies with the session", async () => {
    const { agent, sessionToken, sessionId, server, token } = await world.atServer();
    const answer = await handOut(world, server, token);
    expect(answer).toMatchObject({
      status: 200,
      body: { issued_token_type: UPSTREAM_TOKEN, token_type: "N_A", authorization_details: [READ_API, WRITE_API] },
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    // GitHub's lives an hour; this one is taken back when the session ends.
    expect(answer.body["expires_in"]).toBeGreaterThan(500);
    expect(answer.body["expires_in"]).toBeLessThanOrEqual(600);
    const { header, claims, value } = await open(answer, world.ecKey);
    expect(header).toMatchObject({
      alg: "ECDH-ES+A256KW",
      enc: "A256GCM",
      typ: "stint-upstream-token+jwt",
      kid: "tickets-enc",
    });
    expect(claims).toMatchObject({
      iss: world.issuer,
      aud: TICKETS,
      upstream: "github",
      base_url: world.emulators.githubUrl,
      header: "authorization",
      exp: expect.any(Number),
    });
    expect(JSON.stringify(answer.body)).not.toContain(value.split(" ")[1]);
    expect(await atGithub(world, value, "POST", ISSUES)).toBe(201);
    expect(await atGithub(world, value, "GET", ISSUES)).toBe(200);
    expect(await atGithub(world, value, "POST", "/repos/acme/web/issues")).toBeGreaterThanOrEqual(403);
    expect(await atGithub(world, value, "PUT", "/repos/acme/api/contents/x.md")).toBe(403);

    const [event] = await eventsOf(sessionId, "token.handed_out");
    const { lease_id } = claims;
    expect(event).toMatchObject({ unconstrained: true, server: "tickets", upstream: "github", lease_id });
    await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
    expect(await atGithub(world, value, "GET", ISSUES)).toBe(401);
    expect(await receiptOf(world, sessionId)).toMatchObject({
      leases: [
        {
          lease_id,
          handed_out: { server: "tickets", unconstrained: true },
          fate: { fate: "revoked" },
          in_words: expect.stringMatching(/^handed to server tickets \(unconstrained\); taken back/),
        },
      ],
    });
  });

  it("opens with the server's own key alone, of either kind", async () => {
    const { server, token } = await world.atServer({ server: "wiki" });
    const answer = await handOut(world, server, token);
    const { header, value } = await open(answer, world.rsaKey);
    expect(header).toMatchObject({ alg: "RSA-OAEP-256", kid: "wiki-enc" });
    expect(await atGithub(world, value, "GET", ISSUES)).toBe(200);
    const other = await generateKeyPair("RSA-OAEP-256");
    await expect(open(answer, other.privateKey as CryptoKey)).rejects.toThrow("decryption operation failed");
    const altered = tokenOf(answer).replace(/\.[^.]+$/, ".AAAAAAAAAAAAAAAAAAAAAA");
    await expect(open({ ...answer, body: { access_token: altered } }, world.rsaKey)).rejects.toThrow(
      "decryption operation failed",
    );
  });

  it("holds no more than was asked for, and no more than the server's token", async () => {
    const { server, token } = await world.atServer();
    const details = JSON.stringify([READ_API]);
    const narrowed = await handOut(world, server, token, "github", { authorization_details: details });
    expect(narrowed.body["authorization_details"]).toEqual([READ_API]);
    const { value } = await open(narrowed, world.ecKey);
    expect(await atGithub(world, value, "GET", ISSUES)).toBe(200);
    expect(await atGithub(world, value, "POST", ISSUES)).toBe(403);

    // The session was granted both, the server's one tool needs to read alone.
    const reader = await world.atServer({ tools: ["list_issues"] });
    const read = await open(await handOut(world, reader.server, reader.token), world.ecKey);
    expect(await atGithub(world, read.value, "POST", ISSUES)).toBe(403);
    const wider = await handOut(world, reader.server, reader.token, "github", {
      authorization_details: JSON.stringify([WRITE_API]),
    });
    expect(wider).toMatchObject({ status: 400, body: { error: "invalid_authorization_details" } });
  });

  it("is made for each asker anew, and used for no call of the proxy's", async () => {
    const { agent, sessionToken, sessionId, server, token } = await world.atServer();
    const values = [];
    for (let n = 0; n < 2; n += 1) values.push((await open(await handOut(world, server, token), world.ecKey)).value);
    expect(new Set(values).size).toBe(2);
    const proxyToken = tokenOf(await agent.exchange(sessionToken, `${world.issuer}/proxy/github`));
    expect((await agent.call(proxyToken, "GET", `/proxy/github${ISSUES}`)).status).toBe(200);
    await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
    const { leases } = (await receiptOf(world, sessionId)) as { leases: { handed_out?: object; fate: object }[] };
    expect(leases).toHaveLength(3);
    expect(leases.filter(({ handed_out }) => handed_out !== undefined)).toHaveLength(2);
    expect(leases.every(({ fate }) => JSON.stringify(fate).includes("revoked"))).toBe(true);
    for (const value of values) expect(await atGithub(world, value, "GET", ISSUES)).toBe(401);
  });

  it("is handed out ten times in a session and no more, also of fifteen at once", async () => {
    const { sessionId, server, token } = await world.atServer();
    expect((await handOut(world, server, token)).status).toBe(200);
    const askers = await Promise.all(Array.from({ length: 15 }, () => world.serverNamed("tickets")));
    const answers = await Promise.all(askers.map((asker) => handOut(world, asker, token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(9);
    expect(answers.find(({ status }) => status !== 200)).toMatchObject({
      status: 400,
      body: { error: "invalid_request" },
    });
    const refusals = await eventsOf(sessionId, "refused");
    expect(refusals.filter(({ reason }) => reason === "too_many_hand_outs")).toHaveLength(6);
  });

  it("stands in no log, in no event and in no file", async () => {
    const { server, token, sessionId } = await world.atServer();
    const { value } = await open(await handOut(world, server, token), world.ecKey);
    const secret = value.replace("Bearer ", "");
    await eventsOf(sessionId, "token.handed_out");
    expect(JSON.stringify(await auditRows(world))).not.toContain(secret);
    expect(world.broker.output()).not.toContain(secret);
    const files = readdirSync(world.broker.dataPath, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    );
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect(readFileSync(join(file.parentPath, file.name)).includes(secret)).toBe(false);
  });
});

describe("an upstream's own token is refused", () => {
  const refused = async (sessionId: string, reason: string) => {
    await until(`a refusal: ${reason}`, async () =>
      (await eventsOf(sessionId, "refused")).some((event) => event["reason"] === reason) ? true : undefined,
    );
    expect((await world.broker.admin("GET", `/admin/sessions/${sessionId}`)).body["leases"]).toEqual([]);
  };

  it("to an agent, by its session token or by what it got for a server", async () => {
    const { agent, sessionToken, sessionId, token } = await world.atServer();
    const more = { requested_token_type: UPSTREAM_TOKEN };
    const target = `${world.issuer}/proxy/github`;
    for (const authenticate of [true, false])
      expect(await agent.exchange(sessionToken, target, more, authenticate)).toMatchObject({
        status: 400,
        body: { error: "unauthorized_client" },
      });
    expect((await agent.exchange(token, target, more)).body).toMatchObject({ error: "invalid_request" });
    expect((await agent.exchange(token, target, more, true)).status).toBe(400);
    await refused(sessionId, "hand_out_to_agent");
  });

  it("to a server that the tenant did not name, for an upstream or at all", async () => {
    const plain = await world.atServer({ server: "plain" });
    expect((await handOut(world, plain.server, plain.token)).body).toMatchObject({ error: "invalid_target" });
    await refused(plain.sessionId, "not_handed_out");
    const wiki = await world.atServer({ server: "wiki", tools: ["sync"], details: [SVC_ACCESS] });
    expect((await handOut(world, wiki.server, wiki.token, "svc")).body).toMatchObject({ error: "invalid_target" });
    await refused(wiki.sessionId, "not_handed_out");
    expect(world.endpoint.asked).toEqual([]);
  });

  it("to a server that shows another's token, and to one that was exchanged before", async () => {
    const { sessionId, server, token } = await world.atServer();
    const wiki = await world.serverNamed("wiki");
    expect((await handOut(world, wiki, token)).body).toMatchObject({ error: "invalid_request" });
    const exchanged = tokenOf(await server.exchange(token, `${world.issuer}/proxy/github`, {}, true));
    expect((await handOut(world, server, exchanged)).body).toMatchObject({ error: "invalid_request" });
    await refused(sessionId, "not_the_audience");
  });

  it("where the session, the server's token or today's policy is limited there", async () => {
    const { sessionId, server, token } = await world.atServer({ details: LIMITED });
    expect((await handOut(world, server, token)).body).toMatchObject({
      error: "invalid_target",
      error_description: expect.stringContaining("limited"),
    });
    await refused(sessionId, "limited");
    const free = await world.atServer();
    const stated = JSON.stringify([{ ...READ_API, limits: { calls: 1 } }]);
    expect(
      (await handOut(world, free.server, free.token, "github", { authorization_details: stated })).body,
    ).toMatchObject({ error: "invalid_target" });
    await world.meanwhile(
      (document) => (document["policies"]![0]!["limits"] = { calls: 100 }),
      async () =>
        expect((await handOut(world, free.server, free.token)).body).toMatchObject({ error: "invalid_target" }),
    );
    await refused(free.sessionId, "limited");
  });

  it("where the approver was not told, because the tenant wrote it later", async () => {
    const { sessionId, server, token } = await world.atServer({ server: "plain" });
    const [tickets] = (world.document as Loose)["servers"]!;
    await world.meanwhile(
      ({ servers }) =>
        Object.assign(servers![2]!, { hand_out: ["github"], encryption_key: tickets!["encryption_key"] }),
      async () =>
        expect((await handOut(world, server, token)).body).toMatchObject({
          error: "invalid_target",
          error_description: expect.stringContaining("not told"),
        }),
    );
    await refused(sessionId, "not_shown");
  });

  it("where a tool needs more today than the approver was told", async () => {
    const { sessionId, agent, sessionToken, server } = await world.atServer({ tools: ["list_issues"] });
    await world.meanwhile(
      ({ servers }) =>
        Object.assign(servers![0]!["tools"] as object, {
          list_issues: { access: "write", operations: ["github:issues:read", "github:issues:write"] },
        }),
      async () => {
        const token = tokenOf(await agent.exchange(sessionToken, TICKETS));
        expect((await handOut(world, server, token)).body).toMatchObject({ error: "invalid_target" });
      },
    );
    await refused(sessionId, "not_shown");
  });

  it("where the server's key is no point of its curve, before anything is minted", async () => {
    const { sessionId, server, token } = await world.atServer();
    await world.meanwhile(
      ({ servers }) => Object.assign(servers![0]!["encryption_key"] as object, { y: "A".repeat(43) }),
      async () => expect((await handOut(world, server, token)).body).toMatchObject({ error: "invalid_target" }),
    );
    await refused(sessionId, "not_handed_out");
  });

  it("when the tenant takes it back, or the policy narrows", async () => {
    const { sessionId, server, token } = await world.atServer();
    await world.meanwhile(
      ({ servers }) => (servers![0]!["hand_out"] = ["svc"] as never),
      async () => expect((await handOut(world, server, token)).body).toMatchObject({ error: "invalid_target" }),
    );
    await refused(sessionId, "not_handed_out");
    await world.meanwhile(
      ({ policies }) =>
        (policies![0]!["allow"] = (policies![0]!["allow"] as string[]).filter((unit) => !unit.startsWith("github:"))),
      async () => expect((await handOut(world, server, token)).body).toMatchObject({ error: "invalid_target" }),
    );
    await refused(sessionId, "invalid_target");
  });

  it("after the session was revoked", async () => {
    const { sessionId, server, token } = await world.atServer();
    await world.broker.admin("POST", `/admin/sessions/${sessionId}/revoke`, {});
    expect((await handOut(world, server, token)).body).toMatchObject({ error: "invalid_request" });
    await refused(sessionId, "ended");
  });

  it("with an assertion that was used before", async () => {
    const { sessionId, server, token } = await world.atServer();
    const parameters = {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      audience: `${world.issuer}/proxy/github`,
      requested_token_type: UPSTREAM_TOKEN,
      ...(await server.assertion()),
    };
    expect((await server.token(async () => parameters)).status).toBe(200);
    expect((await server.token(async () => parameters)).body).toMatchObject({ error: "invalid_client" });
    expect((await world.broker.admin("GET", `/admin/sessions/${sessionId}`)).body["leases"]).toHaveLength(1);
  });

  it.each([
    ["a server for its target", { resource: PLAIN }, "invalid_target"],
    ["a life of its own choosing", { expires_in: "60" }, "invalid_request"],
    ["an upstream that does not exist", { resource: "http://localhost:1/proxy/none" }, "invalid_target"],
  ])("when it is asked with %s", async (_, more: Record<string, string>, error) => {
    const { server, token } = await world.atServer();
    expect((await handOut(world, server, token, "github", more)).body).toMatchObject({ error });
  });
});

describe("an upstream that answers late or wrongly", () => {
  const svc = () => world.atServer({ tools: ["sync"], details: [SVC_ACCESS] });

  it("hands out nothing when the session ends while it mints (X22)", async () => {
    const { agent, sessionToken, sessionId, server, token } = await svc();
    let answer = (): void => undefined;
    const asked = new Promise<void>((isAsked) => {
      world.endpoint.reply = () => {
        isAsked();
        return new Promise((reply) => (answer = () => reply(tokenReply())));
      };
    });
    const handed = handOut(world, server, token, "svc");
    await asked;
    await world.broker.admin("POST", `/admin/sessions/${sessionId}/revoke`, {});
    answer();
    expect(await handed).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    const receipt = await receiptOf(world, sessionId);
    expect(receipt).toMatchObject({ leases: [{ upstream: "svc", fate: { fate: "expires_at" } }] });
    expect(JSON.stringify(receipt["leases"])).not.toContain("handed_out");
    expect((await auditRows(world)).some((row) => row.source === sessionId && row.type === "token.handed_out")).toBe(
      false,
    );
    expect((await agent.exchange(sessionToken, TICKETS)).status).toBe(400);
  });

  it("hands out nothing when the token that was shown is revoked while it mints", async () => {
    const { agent, sessionId, server, token } = await svc();
    let answer = (): void => undefined;
    const asked = new Promise<void>((isAsked) => {
      world.endpoint.reply = () => {
        isAsked();
        return new Promise((reply) => (answer = () => reply(tokenReply())));
      };
    });
    const handed = handOut(world, server, token, "svc");
    await asked;
    const revoked = await agent.form("/oauth/revoke", async () => ({ token, ...(await agent.assertion()) }));
    expect(revoked.status).toBe(200);
    answer();
    expect(await handed).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    const { body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}`);
    expect(body).toMatchObject({ status: "active", leases: [{ fate: { fate: "expires_at" } }] });
    expect(JSON.stringify(body["leases"])).not.toContain("handed_out");
  });

  it("keeps what cannot be taken back any more, where the approver was told that it is", async () => {
    const svcOf = ({ upstreams }: Loose) => upstreams!.find(({ id }) => id === "svc")!;
    const { sessionId, server, token } = await world.meanwhile(
      (document) => Object.assign(svcOf(document), { revocation_endpoint: `${world.endpoint.url}/revoke` }),
      svc,
    );
    expect((await handOut(world, server, token, "svc")).body).toMatchObject({ error: "invalid_target" });
    const { body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}`);
    expect(body["leases"]).toMatchObject([{ fate: { fate: "expires_at" } }]);
    expect(JSON.stringify(body["leases"])).not.toContain("handed_out");
  });

  it("is not asked where its scopes would not narrow the token", async () => {
    const { sessionId, server, token } = await svc();
    const before = world.endpoint.asked.length;
    await world.meanwhile(
      ({ upstreams }) => {
        const { catalogue } = upstreams!.find(({ id }) => id === "svc") as { catalogue: { operations: Loose } };
        for (const operation of Object.values(catalogue.operations)) Reflect.deleteProperty(operation, "scopes");
      },
      async () => expect((await handOut(world, server, token, "svc")).body).toMatchObject({ error: "invalid_target" }),
    );
    expect(world.endpoint.asked).toHaveLength(before);
    const { body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}`);
    expect(body["leases"]).toEqual([]);
  });

  it("says when what it gave ends by itself, with its scope", async () => {
    world.endpoint.reply = () => tokenReply({ scope: "things.read" });
    const { server, token } = await svc();
    const answer = await handOut(world, server, token, "svc");
    const { claims, value } = await open(answer, world.ecKey);
    expect(claims).toMatchObject({ upstream: "svc", scope: "things.read" });
    expect(value).toBe("Bearer at-good-token");
    expect(answer.body["expires_in"]).toBeGreaterThan(590);
    expect(answer.body["expires_in"]).toBeLessThanOrEqual(600);
  });

  it("never lets a token leave that does not end", async () => {
    world.endpoint.reply = () => tokenReply({ expires_in: undefined });
    const { agent, sessionToken, sessionId, server, token } = await svc();
    expect((await handOut(world, server, token, "svc")).body).toMatchObject({ error: "invalid_target" });
    await agent.call(sessionToken, "POST", `/sessions/${sessionId}/end`);
    const { leases } = await receiptOf(world, sessionId);
    expect(leases).toMatchObject([{ fate: { fate: "irrevocable" }, in_words: expect.stringContaining("never left") }]);
  });

  it.each([
    ["more scope than was asked", tokenReply({ scope: "things.read things.write admin" })],
    ["no", { status: 400, body: { error: "invalid_grant" } }],
    ["nonsense", { status: 200, body: "nonsense" }],
  ])("hands out nothing of an upstream that answers %s", async (_, reply) => {
    world.endpoint.reply = () => reply;
    const { server, token } = await svc();
    expect(await handOut(world, server, token, "svc")).toMatchObject({
      status: 503,
      body: { error: "temporarily_unavailable" },
    });
  });

  it("loses nothing to kill -9 while it mints: the receipt says that it may have been made", async () => {
    const { sessionId, server, token } = await svc();
    const asked = new Promise<void>((isAsked) => {
      world.endpoint.reply = () => {
        isAsked();
        return new Promise(() => undefined);
      };
    });
    const handed = handOut(world, server, token, "svc").catch(() => "cut off");
    await asked;
    await world.broker.kill9();
    await handed;
    await world.broker.restart();
    const { body } = await world.broker.admin("GET", `/admin/sessions/${sessionId}`);
    expect(body["leases"]).toMatchObject([{ upstream: "svc", fate: { fate: "pending" } }]);
    expect(JSON.stringify(body["leases"])).not.toContain("handed_out");
  });
});

describe("the approver of a session in which an upstream's own token may be handed out", () => {
  const WARNING = "Server tickets is handed github's own token (unconstrained)";

  it("is warned on the page, in Slack and by mail, and no proxy is claimed to hold it", async () => {
    const agent = await world.freshAgent();
    const asked = await agent.ask(
      ask({
        authorization_details: [READ_API, WRITE_API, { type: "mcp_tools", server: "tickets", actions: ["open_issue"] }],
      }),
    );
    const { session_id } = asked.body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    const { html } = await dana.view();
    const page = html.replaceAll("&#39;", "'");
    expect(page).toContain(WARNING);
    expect(page).toContain("take it back when the session ends");
    expect(page).toContain("enforced by the upstream alone: a server may be handed its token");
    const messages = await world.emulators.directMessages(await world.emulators.slackId("dana"));
    expect(messages.some((message) => message.includes(WARNING))).toBe(true);
    const mails = await until("a mail", async () => {
      const found = (await world.emulators.mails()).filter(({ text }) => text.includes(WARNING));
      return found.length === 0 ? undefined : found;
    });
    expect(mails[0]!.text).toContain("enforced by the upstream alone");
    // What a narrowing takes away is warned of no more.
    const narrowed = await dana.review((unit) => !unit.includes("mcp:"));
    expect(narrowed.html).not.toContain("(unconstrained)");
  });

  it.each([
    ["a server that may not have it", { details: [READ_API, WRITE_API], server: "plain" }],
    ["limits, which nobody could hold it to", { details: LIMITED, server: "tickets" }],
  ])("is not warned in vain, of %s", async (_, { details, server }) => {
    const agent = await world.freshAgent();
    const tools = { type: "mcp_tools", server, actions: ["open_issue"] };
    const asked = await agent.ask(ask({ authorization_details: [...details, tools] }));
    const dana = await Approver.bySlack(world, "dana", asked.body.session_id);
    const { html } = await dana.view();
    expect(html).not.toContain("(unconstrained)");
    expect(html).not.toContain("the upstream alone");
  });

  it("sees it leave while watching", async () => {
    const { sessionId, server, token } = await world.atServer();
    await handOut(world, server, token);
    const dana = await Approver.bySlack(world, "dana", sessionId);
    await dana.view();
    const { html } = await dana.post("/approve/watch", { token: dana.token });
    expect(html.replaceAll("&#39;", "'")).toContain("github's own token for server tickets (unconstrained)");
  });
});
