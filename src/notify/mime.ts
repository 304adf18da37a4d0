import { Buffer } from "node:buffer";
import type { EmailMessage } from "./email.ts";

/** RFC 2045 §6.8. */
const BASE64_LINE = 76;
/** An encoded word may be 75 characters, RFC 2047 §2; this many UTF-8 bytes fit. */
const ENCODED_WORD_BYTES = 42;

/**
 * The message as it crosses the wire: two alternative parts, both base64. Nothing of anybody's text
 * stands unencoded, so there is nothing in it that could end a header, a part or the message.
 */
export function mimeOf({ from, to, subject, text, html, messageId, key }: EmailMessage): string {
  const boundary = `=_${key}`;
  const part = (type: string, content: string) => [
    `--${boundary}`,
    `Content-Type: ${type}; charset=utf-8`,
    "Content-Transfer-Encoding: base64",
    "",
    base64Lines(content),
  ];
  return [
    `From: Stint <${from}>`,
    `To: <${to}>`,
    `Subject: ${encodedWords(subject)}`,
    `Message-ID: ${messageId}`,
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    `Content-Type: multipart/alternative; boundary="${boundary}"`,
    "",
    ...part("text/plain", text),
    ...part("text/html", html),
    `--${boundary}--`,
  ].join("\r\n");
}

function base64Lines(content: string): string {
  return (
    Buffer.from(content)
      .toString("base64")
      .match(new RegExp(`.{1,${BASE64_LINE}}`, "g"))
      ?.join("\r\n") ?? ""
  );
}

/** RFC 2047 encoded words, split between characters and folded. */
function encodedWords(text: string): string {
  const words: string[] = [];
  let word = "";
  for (const char of text) {
    if (Buffer.byteLength(word + char) > ENCODED_WORD_BYTES) {
      words.push(word);
      word = "";
    }
    word += char;
  }
  return [...words, word].map((part) => `=?utf-8?B?${Buffer.from(part).toString("base64")}?=`).join("\r\n ");
}
