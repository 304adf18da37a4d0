import type { Facts } from "../domain/facts.ts";
import { cut } from "./cut.ts";
import { messageKey } from "./idempotency.ts";
import type { Message } from "./message.ts";
import type { LinkNotice } from "./notice.ts";

/** A message ready to be sent: every address bare, every header free of line ends. */
export interface EmailMessage {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
  /** The same for every attempt to send this message. */
  readonly key: string;
}

const ADDRESS = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$/;
const MAX_SUBJECT = 120;

/** Writes the mail for an approver; undefined when the approver has no usable address. */
export function composeEmail(notice: LinkNotice, from: string): EmailMessage | undefined {
  const { approver, facts, link, sessionId, issuer } = notice;
  const to = approver.email ?? approver.id;
  if (!ADDRESS.test(to) || !ADDRESS.test(from)) return undefined;
  const key = messageKey(sessionId, approver.id, "email");
  return {
    from,
    to,
    // Stint's own words: what the agent wrote stays inside the quotation.
    subject: headerText(`Stint: ${facts.headline}`),
    text: textPart(facts, link),
    html: htmlPart(facts, link),
    messageId: `<${key}@${new URL(issuer).hostname}>`,
    key,
  };
}

/** Writes a mail that only tells; undefined when the person has no usable address. */
export function composePlainEmail(message: Message, from: string): EmailMessage | undefined {
  const { to: person, headline, paragraphs, about, issuer } = message;
  const to = person.email ?? person.id;
  if (!ADDRESS.test(to) || !ADDRESS.test(from)) return undefined;
  const key = messageKey(about, person.id, "email");
  return {
    from,
    to,
    subject: headerText(`Stint: ${headline}`),
    text: [headline, ...paragraphs, ""].join("\r\n\r\n"),
    html: `<!doctype html><html lang="en"><body style="font-family:sans-serif;line-height:1.5">
<h1 style="font-size:1.25em">${escapeHtml(headline)}</h1>
${paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join("\n")}
</body></html>`,
    messageId: `<${key}@${new URL(issuer).hostname}>`,
    key,
  };
}

function headerText(text: string): string {
  return cut(text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "), MAX_SUBJECT);
}

const LINK_WORTH = "This link is yours alone. Whoever holds it can decide as you, so do not pass it on.";
const QUOTE_LABEL = "In the agent's own words. Stint has not checked any of this.";

function textPart({ headline, rows, warnings, notes, quotes }: Facts, link: string): string {
  return [
    headline,
    "",
    ...rows.map(({ label, value }) => `${label}: ${withPlainPlaces(value).replaceAll("\n", "\n  ")}`),
    "",
    ...warnings,
    ...notes.map(withPlainPlaces),
    "",
    "Look and decide:",
    link,
    "",
    LINK_WORTH,
    "",
    QUOTE_LABEL,
    ...quotes.flatMap(({ label, text }) => [
      `> ${label}:`,
      ...unlinked(text)
        .split("\n")
        .map((line) => `> ${line}`),
    ]),
    "",
  ].join("\r\n");
}

function htmlPart({ headline, rows, warnings, notes, quotes }: Facts, link: string): string {
  const lines = (text: string) => escapeHtml(text).replaceAll("\n", "<br>");
  return `<!doctype html><html lang="en"><body style="font-family:sans-serif;line-height:1.5">
<h1 style="font-size:1.25em">${escapeHtml(headline)}</h1>
<table>${rows.map(({ label, value }) => `<tr><th align="left" valign="top">${escapeHtml(label)}</th><td>${lines(withPlainPlaces(value))}</td></tr>`).join("")}</table>
${[...warnings, ...notes.map(withPlainPlaces)].map((note) => `<p>${escapeHtml(note)}</p>`).join("")}
<p><a href="${escapeHtml(link)}">Look and decide</a></p>
<p>${escapeHtml(LINK_WORTH)}</p>
<p>${escapeHtml(QUOTE_LABEL)}</p>
<blockquote style="border-left:4px solid #999;margin:0;padding-left:1em">${quotes.map(({ label, text }) => `<p><b>${escapeHtml(label)}:</b><br>${lines(unlinked(text))}</p>`).join("")}</blockquote>
</body></html>`;
}

/**
 * Mail programs make links of whatever looks like one: an address with its scheme, but a bare host
 * name or a mail address too. `https: //evil[.]com` keeps an agent's address from becoming a button
 * beside ours, and still lets a human read it.
 */
function unlinked(text: string): string {
  return text.replaceAll(SCHEME, "$& ").replaceAll(HOST_DOT, "[$&]");
}

/**
 * A fact as it stands in a mail. Where something may be done is in the agent's spelling, so it becomes no
 * link either: `Read · api https: //evil[.]com`.
 */
function withPlainPlaces(fact: string): string {
  return fact
    .split("\n")
    .map((line) => {
      const [title, ...rest] = line.split(" · ");
      return [title, ...rest.map(unlinkedPlace)].join(" · ");
    })
    .join("\n");
}

/** `github acme/api`: an upstream's name, and the place. */
function unlinkedPlace(text: string): string {
  const at = text.indexOf(" ");
  return at === -1 ? text : text.slice(0, at) + unlinked(text.slice(at));
}

/** A scheme before slashes, or one that needs none. */
const SCHEME = /[A-Za-z][A-Za-z0-9+.-]{0,30}:(?=[/\\])|(?:mailto|tel|sms):(?=\S)/gi;
/** A dot, or what host names take for one (UTS 46), before a label of two characters or more that begins with a letter. */
const HOST_DOT = /(?<=[\p{L}\p{M}\p{N}_-])[.\u2024\u3002\uFF0E\uFF61](?=\p{L}[\p{L}\p{M}\p{N}-])/gu;

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
