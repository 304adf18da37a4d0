import { createServer, type AddressInfo, type Socket } from "node:net";
import { simpleParser, type ParsedMail } from "mailparser";
import { SMTPServer } from "smtp-server";
import type { TestCertificate } from "./certificates.ts";

export interface Mailbox {
  readonly port: number;
  readonly mails: { mail: ParsedMail; to: string[]; from: string; user: string | undefined; secure: boolean }[];
  /** How often somebody tried to sign in, encrypted or not. */
  readonly signIns: { secure: boolean }[];
  close(): Promise<void>;
}

export interface MailServerOptions {
  readonly auth?: boolean;
  /** How many messages to put off before taking one. */
  readonly fail?: number;
  readonly tls?: { readonly how: "tls" | "starttls"; readonly certificate: TestCertificate };
}

/** A real SMTP server on loopback. */
export async function startSmtp({ auth = false, fail = 0, tls }: MailServerOptions = {}): Promise<Mailbox> {
  const mails: Mailbox["mails"] = [];
  const signIns: Mailbox["signIns"] = [];
  let failures = fail;
  const server = new SMTPServer({
    ...tls?.certificate,
    secure: tls?.how === "tls",
    authOptional: !auth,
    disabledCommands: tls?.how === "starttls" ? [] : ["STARTTLS"],
    allowInsecureAuth: true,
    onAuth: ({ username, password }, { secure }, done) => {
      signIns.push({ secure });
      if (username === "stint" && password === "smtp-password") done(null, { user: username });
      else done(new Error("no"));
    },
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
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    signIns,
    close: () => new Promise((done) => server.close(done)),
  };
}

export interface ScriptedMailServer {
  readonly port: number;
  /** Every command that came in, of all connections. */
  readonly commands: string[];
  /** How many messages were taken. */
  taken(): number;
  close(): Promise<void>;
}

/** A mail server that misbehaves: it says 250 to everything, except where it is told otherwise. */
export async function startScriptedSmtp(
  answer: (command: string, socket: Socket) => string | undefined,
): Promise<ScriptedMailServer> {
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  let taken = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.write("220 ready\r\n");
    let unread = "";
    let inMessage = false;
    socket.on("data", (chunk: Buffer) => {
      const lines = (unread + chunk.toString()).split("\r\n");
      unread = lines.pop() ?? "";
      for (const line of lines) {
        if (inMessage && line !== ".") continue;
        if (inMessage) taken += 1;
        inMessage = line === "DATA";
        commands.push(line);
        const reply = answer(line, socket) ?? (inMessage ? "354 go on" : "250 yes");
        if (reply !== "") socket.write(`${reply}\r\n`);
      }
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    taken: () => taken,
    close: () =>
      new Promise((done) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => done());
      }),
  };
}
