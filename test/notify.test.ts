import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { Approver, claimsOf, linksIn } from "./support/approver.ts";
import { startScriptedSmtp, startSmtp, type Mailbox, type MailServerOptions } from "./support/smtp.ts";
import { ask, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld | undefined;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await world?.close();
  world = undefined;
  for (const close of closers.splice(0)) await close();
});

/** A mail server that is closed after the test. */
async function mailServer(options?: MailServerOptions): Promise<Mailbox> {
  const mailbox = await startSmtp(options);
  closers.push(() => mailbox.close());
  return mailbox;
}

const bySmtp =
  (port: number, more: object = {}) =>
  (document: Record<string, unknown>) => ({
    ...document,
    notify: { email: { from: "stint@acme.example", smtp: { host: "localhost", port, security: "none", ...more } } },
  });

describe("mail by SMTP", () => {
  it("reaches each approver alone, with the same facts in both parts", async () => {
    const { port, mails } = await mailServer();
    world = await startTestWorld({ adjust: bySmtp(port) });
    const agent = await world.freshAgent();
    const { match_code } = (
      await agent.ask(ask({ task: { title: "Grüße, ünïcode ✓", description: "See https://evil.test/approve now" } }))
    ).body;
    const dana = await until("the mail", async () => mails.find(({ to }) => to.includes("dana@acme.example")));
    expect(dana.to).toEqual(["dana@acme.example"]);
    expect(dana.mail.subject).toBe("Stint: Bot 1 asks for access");
    const { text = "", html } = dana.mail;
    for (const part of [text, String(html)]) {
      for (const fact of [match_code, "Bot 1 (bot-1)", "Read issues and their comments", "Grüße, ünïcode ✓"])
        expect(part).toContain(fact);
      expect(linksIn(part)).toHaveLength(1);
      expect(part).not.toContain("https://evil.test");
    }
    expect(dana.mail.headers.get("auto-submitted")).toBe("auto-generated");
  });

  it("authenticates where it is told to", async () => {
    const { port, mails } = await mailServer({ auth: true });
    world = await startTestWorld({
      adjust: bySmtp(port, { username: "stint", password: { secret: "SMTP_PASSWORD" } }),
      secrets: { SMTP_PASSWORD: "smtp-password" },
    });
    await (await world.freshAgent()).ask(ask());
    await until("the mail", async () => mails.find(({ user }) => user === "stint"));
  });

  it("FN tries again after a passing fault, and sends each mail once", async () => {
    const { port, mails } = await mailServer({ fail: 2 });
    world = await startTestWorld({ adjust: bySmtp(port) });
    await (await world.freshAgent()).ask(ask());
    await until("the mail", async () => (mails.length > 0 ? true : undefined));
    expect(mails.map(({ to }) => to)).toEqual([["dana@acme.example"]]);
  });

  it("does not go on in plain where STARTTLS is demanded and not offered", async () => {
    const { port, mails } = await mailServer();
    world = await startTestWorld({ adjust: bySmtp(port, { security: "starttls" }) });
    await (await world.freshAgent()).ask(ask());
    const failed = await until("the failure", async () =>
      (await failures()).find((data) => data.includes("starttls_not_offered")),
    );
    expect(failed).toContain("email");
    expect(mails).toEqual([]);
  });
});

describe("a mail server that has taken the message (FN)", () => {
  it.each<[string, Parameters<typeof startScriptedSmtp>[0]]>([
    ["resets the connection", (command, socket) => (command === "." ? takeAnd(socket, "reset") : undefined)],
    ["hangs up", (command, socket) => (command === "." ? takeAnd(socket, "end") : undefined)],
    ["does not answer QUIT", (command) => (command === "QUIT" ? "" : undefined)],
    ["answers QUIT with a fault", (command) => (command === "QUIT" ? "421 no" : undefined)],
  ])("is not sent it again when it then %s", async (_, answer) => {
    const server = await startScriptedSmtp(answer);
    closers.push(() => server.close());
    world = await startTestWorld({ adjust: bySmtp(server.port) });
    await (await world.freshAgent()).ask(ask());
    await until("the record of it", async () => ((await auditTypes()).includes("notice.sent") ? true : undefined));
    expect(server.taken()).toBe(1);
  });

  it("FM tries again where STARTTLS is refused for now, and says nothing in plain meanwhile", async () => {
    const server = await startScriptedSmtp((command) =>
      command === "STARTTLS" ? "454 TLS not available due to temporary reason" : undefined,
    );
    closers.push(() => server.close());
    world = await startTestWorld({
      adjust: bySmtp(server.port, {
        security: "starttls",
        username: "stint",
        password: { secret: "SMTP_PASSWORD" },
      }),
      secrets: { SMTP_PASSWORD: "smtp-password" },
    });
    await (await world.freshAgent()).ask(ask());
    await until("a second attempt", async () =>
      server.commands.filter((command) => command === "STARTTLS").length >= 2 ? true : undefined,
    );
    expect(server.commands.filter((command) => !/^(?:EHLO|STARTTLS)/.test(command))).toEqual([]);
    expect(await failures()).toEqual([]);
  });
});

describe("one channel down (fault FM)", () => {
  it.each([
    ["answers 500", (server: Answer) => server(500, "{}")],
    ["answers 429", (server: Answer) => server(429, "{}")],
    ["answers invalid_auth", (server: Answer) => server(200, '{"ok":false,"error":"invalid_auth"}')],
    ["answers nonsense", (server: Answer) => server(200, "<html>")],
  ])("mail still arrives when Slack %s", async (_, how) => {
    const slack = await startHttp(how);
    world = await startTestWorld({
      adjust: (document) => ({
        ...document,
        notify: { ...(document["notify"] as object), slack: { token: { secret: "SLACK_BOT_TOKEN" }, base_url: slack } },
      }),
    });
    const agent = await world.freshAgent();
    const { auth_req_id, match_code } = (await agent.ask(ask())).body;
    await until("the mail", async () => (await world!.emulators.mails()).find(({ text }) => text.includes(match_code)));
    expect((await agent.poll(auth_req_id)).body).toMatchObject({ error: "authorization_pending" });
  });
});

describe("what Slack is sent (L16, I02)", () => {
  it("is plain text, one button, and asks for no preview", async () => {
    const bodies: string[] = [];
    const slack = await startHttp((answer) => answer(200, '{"ok":true}'), bodies);
    world = await startTestWorld({
      adjust: (document) => ({
        ...document,
        notify: { slack: { token: { secret: "SLACK_BOT_TOKEN" }, base_url: slack, channel: "#all" } },
      }),
    });
    await (await world.freshAgent()).ask(ask());
    const messages = await until("both messages", async () =>
      bodies.length === 2 ? bodies.map((body) => JSON.parse(body) as Record<string, unknown>) : undefined,
    );
    for (const message of messages)
      expect(message).toMatchObject({
        unfurl_links: false,
        unfurl_media: false,
        parse: "none",
        link_names: false,
        client_msg_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
    const channel = messages.find((message) => message["channel"] === "#all");
    expect(JSON.stringify(channel)).not.toContain("/approve");
    expect(JSON.stringify(messages)).not.toContain("mrkdwn");
  });
});

type Answer = (status: number, body: string) => { status: number; body: string };

async function startHttp(
  how: (answer: Answer) => { status: number; body: string },
  bodies: string[] = [],
): Promise<string> {
  const server: Server = createServer((incoming, outgoing) => {
    let received = "";
    incoming.on("data", (chunk: Buffer) => (received += chunk.toString()));
    incoming.on("end", () => {
      bodies.push(received);
      const { status, body } = how((code, text) => ({ status: code, body: text }));
      outgoing.writeHead(status).end(body);
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  closers.push(() => new Promise((done) => void server.close(() => done())));
  const address = server.address();
  return `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`;
}

async function auditRows(): Promise<{ type: string; data: string }[]> {
  const { body } = await world!.broker.admin("GET", "/admin/audit?after=0");
  return body["rows"] as { type: string; data: string }[];
}

const auditTypes = async (): Promise<string[]> => (await auditRows()).map(({ type }) => type);

/** The data of every failed notice in the ledger. */
async function failures(): Promise<string[]> {
  return (await auditRows()).filter(({ type }) => type === "notice.failed").map(({ data }) => data);
}

/** Takes the message and is gone in the same moment. */
function takeAnd(socket: Socket, how: "reset" | "end"): string {
  socket.write("250 taken\r\n", () => (how === "reset" ? socket.resetAndDestroy() : socket.end()));
  return "";
}

describe("the outcome", () => {
  it("takes the place of the messages that asked, and reaches the agent's owner", async () => {
    world = await startTestWorld();
    const agent = await world.freshAgent();
    const { session_id } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    const slackId = await world.emulators.slackId("dana");
    expect(await world.emulators.directMessages(slackId)).toHaveLength(1);
    await dana.approve((unit) => unit.includes("issues:read"), 300);
    await until("the changed message", async () => {
      const [message = ""] = await world!.emulators.directMessages(slackId);
      const isOutcome = message.includes("dana@acme.example approved it, for 5 min") && message.includes("Watch it");
      return isOutcome && !message.includes("Look and decide") ? true : undefined;
    });
    const told = await until("the owner's mail", async () =>
      (await world!.emulators.mails()).find(
        ({ to, subject }) => to.includes("sam@acme.example") && subject.includes("was approved"),
      ),
    );
    expect(told.text).toContain("It may: Read issues and their comments");
    expect(told.text).not.toContain("/approve#");
    const [channel] = await world.emulators.channelMessages("approvals");
    expect(channel).toContain("was approved");
    expect(channel).not.toContain("/approve#");
    await world.broker.admin("POST", `/admin/sessions/${session_id}/revoke`, {});
    await until("the end", async () => {
      const [message = ""] = await world!.emulators.directMessages(slackId);
      return message.includes("it was taken away") && !message.includes("/approve#") ? true : undefined;
    });
  });

  it("is told of a denial, with nobody's link in it", async () => {
    world = await startTestWorld();
    const agent = await world.freshAgent();
    const { session_id, auth_req_id } = (await agent.ask(ask())).body;
    const dana = await Approver.bySlack(world, "dana", session_id);
    await dana.view();
    await dana.decide("deny", { comment: "Not on a Friday.\u202E" });
    expect((await agent.poll(auth_req_id)).body).toMatchObject({
      error: "access_denied",
      comment: "Not on a Friday.[U+202E]",
    });
    await until("the owner's mail", async () =>
      (await world!.emulators.mails()).find(
        ({ to, subject }) => to.includes("sam@acme.example") && subject.includes("was denied"),
      ),
    );
  });
});

describe("Q19 many agents at one approver", () => {
  it("sends ten links and one word about the rest, and the next link when one is decided", async () => {
    world = await startTestWorld({
      adjust: (document) => ({ ...document, limits: { open_requests_per_approver: 10 } }),
    });
    const asked = [];
    for (let at = 0; at < 14; at += 1) asked.push((await (await world.freshAgent()).ask(ask())).body.session_id);
    const slackId = await world.emulators.slackId("dana");
    const links = async (): Promise<string[]> => (await world!.emulators.directMessages(slackId)).flatMap(linksIn);
    await until("the word about the rest", async () =>
      (await world!.emulators.directMessages(slackId)).find((message) =>
        message.includes("More requests wait for you"),
      ),
    );
    expect(new Set(await links()).size).toBe(10);
    const reached = new Set((await links()).map((link) => String(claimsOf(link)["sid"])));
    const decided = asked.find((id) => reached.has(id)) ?? "";
    await (await Approver.bySlack(world, "dana", decided)).deny();
    await until(
      "the next link",
      async () => {
        const now = new Set((await links()).map((link) => String(claimsOf(link)["sid"])));
        return [...now].some((id) => !reached.has(id)) ? true : undefined;
      },
      30_000,
    );
    const digests = (await world.emulators.directMessages(slackId)).filter((message) =>
      message.includes("More requests"),
    );
    expect(digests).toHaveLength(1);
  });
});

describe("a webhook of the tenant's own", () => {
  it("is posted each approver's link once, signed as Standard Webhooks has it, and again after a fault", async () => {
    const secret = Buffer.from("a secret of more than twenty-four bytes");
    const received: { headers: Record<string, unknown>; body: string }[] = [];
    let failures = 1;
    const { url, close } = await startReceiver((incoming, body) => {
      received.push({ headers: incoming, body });
      failures -= 1;
      return failures >= 0 ? 503 : 204;
    });
    closers.push(close);
    world = await startTestWorld({
      adjust: (document) => ({ ...document, notify: { webhook: { url: `${url}/hook`, secret: { secret: "HOOK" } } } }),
      secrets: { HOOK: `whsec_${secret.toString("base64")}` },
    });
    const { session_id } = (await (await world.freshAgent()).ask(ask({ task: { title: "<b>x</b>" } }))).body;
    await until("two posts", async () => (received.length >= 2 ? true : undefined));
    for (const { headers, body } of received) {
      const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
      expect(headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", secret).update(signed).digest("base64")}`);
    }
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    const people = received.map(
      ({ body }) =>
        JSON.parse(body) as { type: string; data: { approver: { id: string }; link: string; session_id: string } },
    );
    for (const { type, data } of people) {
      expect([type, data.session_id]).toEqual(["stint.approval.requested", session_id]);
      expect(claimsOf(linksIn(data.link)[0] ?? "")["sub"]).toBe(data.approver.id);
    }
  });
});

async function startReceiver(
  answer: (headers: Record<string, unknown>, body: string) => number,
): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => outgoing.writeHead(answer(incoming.headers, body)).end());
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    close: () => new Promise((done) => server.close(() => done())),
  };
}
