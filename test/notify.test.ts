import { createServer, type Server } from "node:http";
import { simpleParser, type ParsedMail } from "mailparser";
import { SMTPServer } from "smtp-server";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../demo/until.ts";
import { linksIn } from "./support/approver.ts";
import { ask, startTestWorld, type TestWorld } from "./support/world.ts";

let world: TestWorld | undefined;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await world?.close();
  world = undefined;
  for (const close of closers.splice(0)) await close();
});

interface Mailbox {
  readonly port: number;
  readonly mails: { mail: ParsedMail; to: string[]; from: string; user: string | undefined; secure: boolean }[];
}

/** A real SMTP server. */
async function startSmtp(options: { auth?: boolean; fail?: number; startTls?: boolean } = {}): Promise<Mailbox> {
  const mails: Mailbox["mails"] = [];
  let failures = options.fail ?? 0;
  const server = new SMTPServer({
    authOptional: options.auth !== true,
    disabledCommands: options.startTls === true ? [] : ["STARTTLS"],
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _, done) =>
      username === "stint" && password === "smtp-password" ? done(null, { user: username }) : done(new Error("no")),
    onMailFrom: (_, __, done) => {
      failures -= 1;
      done(failures >= 0 ? Object.assign(new Error("later"), { responseCode: 451 }) : null);
    },
    onData: (stream, { envelope, user, secure }, done) => {
      const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
      const to = envelope.rcptTo.map(({ address }) => address);
      simpleParser(stream, (fault, mail) => {
        if (fault === null || fault === undefined)
          mails.push({ mail, to, from, user: user as string | undefined, secure });
        done(fault);
      });
    },
  });
  server.on("error", () => undefined);
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  closers.push(() => new Promise((done) => server.close(done)));
  const address = server.server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, mails };
}

const bySmtp =
  (port: number, more: object = {}) =>
  (document: Record<string, unknown>) => ({
    ...document,
    notify: { email: { from: "stint@acme.example", smtp: { host: "localhost", port, security: "none", ...more } } },
  });

describe("mail by SMTP", () => {
  it("reaches each approver alone, with the same facts in both parts", async () => {
    const { port, mails } = await startSmtp();
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
    const { port, mails } = await startSmtp({ auth: true });
    world = await startTestWorld({
      adjust: bySmtp(port, { username: "stint", password: { secret: "SMTP_PASSWORD" } }),
      secrets: { SMTP_PASSWORD: "smtp-password" },
    });
    await (await world.freshAgent()).ask(ask());
    await until("the mail", async () => mails.find(({ user }) => user === "stint"));
  });

  it("FN tries again after a passing fault, and sends each mail once", async () => {
    const { port, mails } = await startSmtp({ fail: 2 });
    world = await startTestWorld({ adjust: bySmtp(port) });
    await (await world.freshAgent()).ask(ask());
    await until("the mail", async () => (mails.length > 0 ? true : undefined));
    expect(mails.map(({ to }) => to)).toEqual([["dana@acme.example"]]);
  });

  it("does not go on in plain where STARTTLS is demanded and not offered", async () => {
    const { port, mails } = await startSmtp();
    world = await startTestWorld({ adjust: bySmtp(port, { security: "starttls" }) });
    await (await world.freshAgent()).ask(ask());
    const failed = await until("the failure", async () =>
      (await failures()).find((data) => data.includes("starttls_not_offered")),
    );
    expect(failed).toContain("email");
    expect(mails).toEqual([]);
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

/** The data of every failed notice in the ledger. */
async function failures(): Promise<string[]> {
  const { body } = await world!.broker.admin("GET", "/admin/audit?after=0");
  return (body["rows"] as { type: string; data: string }[])
    .filter(({ type }) => type === "notice.failed")
    .map(({ data }) => data);
}
