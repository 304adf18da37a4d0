import { connect } from "cloudflare:sockets";
import { Buffer } from "node:buffer";
import { isPublicHost } from "../domain/public-address.ts";
import { err, ok, type Result } from "../domain/result.ts";
import type { SmtpServer } from "../domain/tenant.ts";
import type { EmailMessage } from "./email.ts";
import { mimeOf } from "./mime.ts";
import type { Delivery, DeliveryContext, DeliveryFault } from "./notice.ts";
import { orTimeout } from "../within.ts";

const DEADLINE_MS = 20_000;
/** An SMTP reply is a few lines; a server that sends more is not speaking SMTP. */
const MAX_REPLY_BYTES = 16_384;

/** Sends a mail by SMTP (RFC 5321), encrypted from the start or by STARTTLS (RFC 3207) with no way back to plain. */
export async function sendBySmtp(message: EmailMessage, context: DeliveryContext): Promise<Delivery> {
  const smtp = context.notify.email?.smtp;
  if (smtp === undefined) return err({ kind: "permanent", reason: "not_configured" });
  const isPrivate = !isPublicHost(smtp.host);
  if (isPrivate && !context.allowPrivateNetwork) return err({ kind: "permanent", reason: "refused_address" });
  // A password or a link must not cross the public internet in plain.
  if (smtp.security === "none" && !isPrivate) return err({ kind: "permanent", reason: "plain_smtp_refused" });
  const password = smtp.password === undefined ? undefined : await context.readSecret(smtp.password.secret);
  if (smtp.password !== undefined && password === undefined)
    return err({ kind: "permanent", reason: "secret_missing" });

  const conversation = new Conversation(smtp);
  try {
    return await orTimeout(DEADLINE_MS, converse(conversation, smtp, password, message));
  } catch {
    return err({ kind: "retry", reason: "connection_failed" });
  } finally {
    conversation.close();
  }
}

async function converse(
  talk: Conversation,
  smtp: SmtpServer,
  password: string | undefined,
  message: EmailMessage,
): Promise<Delivery> {
  const helo = `EHLO ${message.messageId.slice(message.messageId.indexOf("@") + 1, -1)}`;
  const greeting = await talk.expect(220);
  if (!greeting.ok) return greeting;
  const hello = await talk.say(helo, 250);
  if (!hello.ok) return hello;
  if (smtp.security === "starttls") {
    const ready = await talk.say("STARTTLS", 220);
    // 454 and 421 pass (RFC 3207 §4); any other refusal stays. Either way nothing more is said in plain.
    if (!ready.ok && ready.error.kind === "retry") return ready;
    if (!ready.ok) return err({ kind: "permanent", reason: "starttls_not_offered" });
    talk.startTls();
    const again = await talk.say(helo, 250);
    if (!again.ok) return again;
  }
  if (smtp.username !== undefined && password !== undefined) {
    const token = Buffer.from(`\0${smtp.username}\0${password}`).toString("base64");
    const accepted = await talk.say(`AUTH PLAIN ${token}`, 235);
    if (!accepted.ok) return accepted;
  }
  for (const [line, code] of [
    [`MAIL FROM:<${message.from}>`, 250],
    [`RCPT TO:<${message.to}>`, 250],
    ["DATA", 354],
  ] as const) {
    const reply = await talk.say(line, code);
    if (!reply.ok) return reply;
  }
  // The body is base64 and short header lines, so no line of it can be a lone dot.
  const sent = await talk.say(`${mimeOf(message)}\r\n.`, 250);
  if (!sent.ok) return sent;
  talk.sayGoodbye();
  return ok("sent");
}

/** One connection: says lines and reads replies. */
class Conversation {
  #socket: Socket;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #unread = "";

  constructor({ host, port, security }: SmtpServer) {
    const secureTransport = security === "tls" ? "on" : security === "starttls" ? "starttls" : "off";
    this.#socket = connect({ hostname: host, port }, { secureTransport, allowHalfOpen: false });
    this.#reader = this.#socket.readable.getReader();
    this.#writer = this.#socket.writable.getWriter();
  }

  /** Goes on encrypted. What was read in plain is forgotten: it could have been put there by anybody. */
  startTls(): void {
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    this.#socket = this.#socket.startTls();
    this.#reader = this.#socket.readable.getReader();
    this.#writer = this.#socket.writable.getWriter();
    this.#unread = "";
  }

  async say(line: string, code: number): Promise<Result<string, DeliveryFault>> {
    await this.#writer.write(new TextEncoder().encode(`${line}\r\n`));
    return this.expect(code);
  }

  /** Does not wait: the message is taken, and a fault from here on must not send it a second time. */
  sayGoodbye(): void {
    this.#writer.write(new TextEncoder().encode("QUIT\r\n")).catch(() => undefined);
  }

  /** Reads one reply, RFC 5321 §4.2: lines with a dash after the code go on. */
  async expect(code: number): Promise<Result<string, DeliveryFault>> {
    for (;;) {
      const end = /^(?:[0-9]{3}-[^\n]*\n)*([0-9]{3})(?: [^\n]*)?\r?\n/.exec(this.#unread);
      if (end !== null) {
        this.#unread = this.#unread.slice(end[0].length);
        const got = Number(end[1]);
        if (got === code) return ok(end[0]);
        // 5xx will not change by itself; all else may. RFC 5321 §4.2.1.
        return err({ kind: got >= 500 ? "permanent" : "retry", reason: `smtp_${got}` });
      }
      const { done, value } = await this.#reader.read();
      if (done || this.#unread.length > MAX_REPLY_BYTES) return err({ kind: "retry", reason: "connection_closed" });
      this.#unread += Buffer.from(value).toString("latin1");
    }
  }

  close(): void {
    this.#socket.close().catch(() => undefined);
  }
}
