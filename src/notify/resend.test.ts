import { describe, expect, it } from "vitest";
import type { Outbound } from "../connectors/outbound.ts";
import { ok } from "../domain/result.ts";
import type { EmailMessage } from "./email.ts";
import { sendByResend } from "./resend.ts";

const message: EmailMessage = {
  from: "stint@acme.example",
  to: "dana@acme.example",
  subject: "s",
  text: "t",
  html: "h",
  messageId: "<k@acme.example>",
  key: "k",
};

const sendTo = (status: number, text: string) => {
  const outbound = {
    text: () => Promise.resolve(ok({ status, headers: new Headers(), text })),
  } as unknown as Outbound;
  const resend = { api_key: { secret: "RESEND_API_KEY" }, base_url: "https://api.resend.com" };
  return sendByResend(message, {
    notify: { email: { from: message.from, resend } },
    outbound,
    allowPrivateNetwork: false,
    readSecret: () => Promise.resolve("re_x"),
  });
};

describe("a repeated attempt (FN)", () => {
  it("counts as sent when the key was used already: the links differ by their signatures alone", async () => {
    expect(await sendTo(409, '{"statusCode":409,"name":"invalid_idempotent_request"}')).toEqual(ok("sent"));
  });

  it.each([
    ["while another attempt is under way", '{"name":"concurrent_idempotent_requests"}'],
    ["when it is not said why", "<html>"],
  ])("is tried again %s", async (_, text) => {
    expect(await sendTo(409, text)).toMatchObject({ ok: false, error: { kind: "retry" } });
  });
});
