import * as z from "zod/v4";
import { formatDuration } from "../domain/duration.ts";
import { err, ok } from "../domain/result.ts";
import { SLACK_DENY_ACTION, type SlackChannel } from "../domain/tenant.ts";
import { cut } from "./cut.ts";
import { messageUuid } from "./idempotency.ts";
import type { Message } from "./message.ts";
import type { Delivery, DeliveryContext, LinkNotice, Notice } from "./notice.ts";

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 262_144;
/** Slack's own limits for a block's text and for a button's address. */
const MAX_BLOCK_TEXT = 2900;
const MAX_BUTTON_URL = 3000;
const MAX_CONTEXT_ELEMENTS = 10;
/** Answers after which the same message would fail again until somebody mends the configuration. */
const PERMANENT = new Set([
  "invalid_auth",
  "not_authed",
  "account_inactive",
  "token_revoked",
  "token_expired",
  "missing_scope",
  "channel_not_found",
  "not_in_channel",
  "is_archived",
  "user_not_found",
  "user_disabled",
  "cannot_dm_bot",
  "restricted_action",
  "invalid_blocks",
  "msg_too_long",
  "message_not_found",
  "cant_update_message",
]);

const answerSchema = z.object({
  ok: z.boolean(),
  error: z.string().optional(),
  channel: z.string().max(100).optional(),
  ts: z.string().max(100).optional(),
});

/** Sends an approver their link in a direct message: Slack shows it to that person alone. */
export async function postSlackLink(notice: LinkNotice, context: DeliveryContext): Promise<Delivery> {
  const { approver, link, facts, expiresAt } = notice;
  if (context.notify.slack === undefined) return err({ kind: "permanent", reason: "not_configured" });
  if (approver.slack === undefined) return err({ kind: "permanent", reason: "no_slack_id" });
  if (link.length > MAX_BUTTON_URL) return err({ kind: "permanent", reason: "link_too_long" });
  const blocks = [
    ...factBlocks(notice),
    ...facts.quotes.flatMap(({ label, text }) => [
      remark(`${label}, in the agent's own words, unchecked:`),
      { type: "section", text: plain(`“${cut(text, MAX_BLOCK_TEXT - 2)}”`) },
    ]),
    actions([linkButton("Look and decide", link), ...denyButtons(notice, context.notify.slack)]),
    remark(`This link is yours alone; whoever holds it can decide as you. It ends ${untilText(expiresAt)}.`),
  ];
  return post(
    context,
    context.notify.slack,
    { channel: approver.slack, text: `${facts.headline}: look and decide`, blocks },
    messageUuid(notice.sessionId, approver.id, "slack"),
  );
}

/** Tells one person something, in a direct message. */
export async function postSlackMessage(message: Message, context: DeliveryContext): Promise<Delivery> {
  const { slack } = context.notify;
  if (slack === undefined) return err({ kind: "permanent", reason: "not_configured" });
  if (message.to.slack === undefined) return err({ kind: "permanent", reason: "no_slack_id" });
  const blocks = [
    { type: "header", text: plain(message.headline, 150) },
    ...message.paragraphs.map((text) => ({ type: "section", text: plain(text) })),
  ];
  const key = messageUuid(message.about, message.to.id, "slack");
  return post(context, slack, { channel: message.to.slack, text: message.headline, blocks }, key);
}

/**
 * Changes a message that was posted, so that whoever opens it later finds the outcome and nothing to
 * decide.
 *
 * @param posted what posting it answered
 * @param link where its reader can watch the session and end it, or review what was done
 */
export function updateSlackMessage(
  posted: string,
  outcome: { readonly headline: string; readonly paragraphs: readonly string[] },
  link: { readonly text: string; readonly url: string } | undefined,
  context: DeliveryContext,
): Promise<Delivery> {
  const { slack } = context.notify;
  const [channel, ts] = posted.split(" ");
  if (slack === undefined || channel === undefined || ts === undefined)
    return Promise.resolve(err({ kind: "permanent", reason: "not_configured" }));
  const blocks = [
    { type: "header", text: plain(outcome.headline, 150) },
    ...outcome.paragraphs.map((text) => ({ type: "section", text: plain(text) })),
    ...(link === undefined ? [] : [actions([linkButton(link.text, link.url)])]),
  ];
  return call("chat.update", { channel, ts, text: escape(outcome.headline), blocks }, slack, context);
}

/**
 * Says something in the shared channel that everybody shall see.
 *
 * @param about what it is about, the same for every attempt
 */
export function postSlackAlarm(
  words: { readonly headline: string; readonly paragraphs: readonly string[] },
  about: string,
  context: DeliveryContext,
): Promise<Delivery> {
  const { slack } = context.notify;
  if (slack?.channel === undefined) return Promise.resolve(ok("sent"));
  const { headline, paragraphs } = words;
  const blocks = [
    { type: "header", text: plain(`🚨 ${headline}`, 150) },
    ...paragraphs.map((text) => ({ type: "section", text: plain(text) })),
  ];
  const key = messageUuid(about, "channel", "slack");
  return post(context, slack, { channel: slack.channel, text: headline, blocks }, key);
}

/** Says in the shared channel that a request waits, without a link. */
export async function postSlackNotice(notice: Notice, context: DeliveryContext): Promise<Delivery> {
  const { slack } = context.notify;
  if (slack?.channel === undefined) return ok("sent");
  const blocks = [...factBlocks(notice), remark("The approvers have each been sent a link of their own.")];
  return post(
    context,
    slack,
    { channel: slack.channel, text: notice.facts.headline, blocks },
    messageUuid(notice.sessionId, "channel", "slack"),
  );
}

/** What Stint says. Everything is plain text: no markup, so nothing in it can become a mention or a link. */
function factBlocks({ facts }: Notice): object[] {
  return [
    { type: "header", text: plain(facts.headline, 150) },
    ...facts.rows.map(({ label, value }) => ({ type: "section", text: plain(`${label}: ${value}`) })),
    ...remarks([...facts.warnings, ...facts.notes]),
  ];
}

function plain(text: string, limit = MAX_BLOCK_TEXT): object {
  return { type: "plain_text", emoji: false, text: cut(text, limit) };
}

function actions(elements: readonly object[]): object {
  return { type: "actions", elements };
}

function linkButton(text: string, url: string): object {
  return { type: "button", text: plain(text), url, style: "primary", action_id: "open" };
}

/** Where Slack may tell Stint what is pressed. It holds no link: who presses it is Slack's signed word. */
function denyButtons({ sessionId }: LinkNotice, { interactions }: SlackChannel): object[] {
  if (interactions === undefined) return [];
  const confirm = {
    title: plain("Deny this request?"),
    text: plain("The agent is told at once, and has to ask anew."),
    confirm: plain("Deny"),
    deny: plain("Back"),
    style: "danger",
  };
  return [
    { type: "button", text: plain("Deny"), style: "danger", action_id: SLACK_DENY_ACTION, value: sessionId, confirm },
  ];
}

function remark(text: string): object {
  return { type: "context", elements: [plain(text)] };
}

/** One block each, or as many in a block as Slack takes: of blocks it takes fifty, and refuses the whole message over one more. */
function remarks(texts: readonly string[]): object[] {
  if (texts.length <= MAX_CONTEXT_ELEMENTS) return texts.map(remark);
  return Array.from({ length: Math.ceil(texts.length / MAX_CONTEXT_ELEMENTS) }, (_, at) => ({
    type: "context",
    elements: texts.slice(at * MAX_CONTEXT_ELEMENTS, (at + 1) * MAX_CONTEXT_ELEMENTS).map((text) => plain(text)),
  }));
}

function post(
  context: DeliveryContext,
  slack: SlackChannel,
  message: { channel: string; text: string; blocks: readonly object[] },
  key: string,
): Promise<Delivery> {
  const body = {
    ...message,
    text: escape(message.text),
    unfurl_links: false,
    unfurl_media: false,
    parse: "none",
    link_names: false,
    client_msg_id: key,
  };
  return call("chat.postMessage", body, slack, context);
}

async function call(
  method: "chat.postMessage" | "chat.update",
  body: object,
  slack: SlackChannel,
  context: DeliveryContext,
): Promise<Delivery> {
  const token = await context.readSecret(slack.token.secret);
  if (token === undefined) return err({ kind: "permanent", reason: "secret_missing" });
  const answer = await context.outbound.text({
    url: `${slack.base_url}/${method}`,
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json; charset=utf-8" },
    body: JSON.stringify(body),
    deadlineMs: DEADLINE_MS,
    maxBytes: MAX_ANSWER_BYTES,
  });
  if (!answer.ok) return err({ kind: "retry", reason: answer.error.kind });
  const { status, headers, text } = answer.value;
  if (status === 429)
    return err({
      kind: "retry",
      reason: "rate_limited",
      afterSeconds: Number(headers.get("retry-after")) || undefined,
    });
  const parsed = readAnswer(text);
  if (parsed?.ok === true) {
    const { channel, ts } = parsed;
    return ok(channel === undefined || ts === undefined ? "sent" : { posted: `${channel} ${ts}` });
  }
  // client_msg_id was seen before: the message is there already.
  if (parsed?.error === "duplicate_message_not_allowed") return ok("sent");
  if (parsed?.error !== undefined && PERMANENT.has(parsed.error))
    return err({ kind: "permanent", reason: parsed.error });
  return err({ kind: "retry", reason: "unexpected_answer" });
}

function readAnswer(text: string): z.infer<typeof answerSchema> | undefined {
  try {
    return answerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The fallback text is read as mrkdwn, in which these three begin everything that is not text. */
function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function untilText(expiresAt: number): string {
  const left = Math.max(0, expiresAt - Math.floor(Date.now() / 1000));
  return `in ${formatDuration(Math.ceil(left / 60) * 60)}`;
}
