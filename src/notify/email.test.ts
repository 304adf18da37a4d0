import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Facts } from "../domain/facts.ts";
import { composeEmail } from "./email.ts";
import { mimeOf } from "./mime.ts";

const LINK = "https://stint.acme.example/approve#token";

const NO_FACTS = { rows: [], notes: [] };

function mailWith(
  words: string,
  headline = "Bot asks for access",
  { rows, notes }: Pick<Facts, "rows" | "notes"> = NO_FACTS,
) {
  const message = composeEmail(
    {
      issuer: "https://stint.acme.example",
      sessionId: "ses_1",
      approver: { id: "dana@acme.example", name: "Dana", roles: ["approver"], groups: [], identities: [] },
      facts: { headline, rows, warnings: [], notes, quotes: [{ label: "Task", text: words }] },
      expiresAt: 0,
      link: LINK,
    },
    "stint@acme.example",
  );
  if (message === undefined) throw new Error("no message");
  return message;
}

describe("an agent's words in a mail (E06)", () => {
  it.each([
    ["https://evil.com/approve", "https: //evil[.]com/approve"],
    ["HTTPS:\\\\evil.com", "HTTPS: \\\\evil[.]com"],
    ["stint.acme.example/approve#abc", "stint[.]acme[.]example/approve#abc"],
    ["www.evil.com", "www[.]evil[.]com"],
    ["mail dana@evil.com", "mail dana@evil[.]com"],
    ["mailto:dana@evil", "mailto: dana@evil"],
    ["tel:+15551234", "tel: +15551234"],
    ["xmailto:dana@evil", "xmailto: dana@evil"],
    ["пример.рф and 例え。テスト", "пример[.]рф and 例え[。]テスト"],
  ])("%j holds nothing to click on", (words, shown) => {
    expect(mailWith(words).text).toContain(`> ${shown}\r\n`);
    expect(mailWith(words).html).toContain(`<br>${shown}</p>`);
  });

  it.each(["Fix e.g. the 2.5 s delay.", "Done. Next", "a: b", "v1.2.3", "std::vector"])(
    "%j stays as it is",
    (words) => {
      expect(mailWith(words).text).toContain(`> ${words}\r\n`);
    },
  );

  it("are no link in a fact either, where they say at which place something may be done", () => {
    const line = "Read · other.notes https://stint.acme.example/approve#abc";
    const value = `${line}\nOpen issues · github acme/api\nRead · api`;
    const { text, html } = mailWith("a task", undefined, {
      rows: [
        { label: "Owner", value: "Sam (sam@acme.example)" },
        { label: "May read", value },
      ],
      notes: [`${line}; Open issues · github acme/api: enforced by Stint's proxy alone.`],
    });
    const shown = "Read · other.notes https: //stint[.]acme[.]example/approve#abc";
    expect(text).toContain(`May read: ${shown}\n  Open issues · github acme/api\n  Read · api\r\n`);
    expect(text).toContain("Owner: Sam (sam@acme.example)");
    for (const part of [text, html]) {
      expect(part).toContain(`${shown}; Open issues · github acme/api: enforced by Stint`);
      expect(part.replace(LINK, "")).not.toContain("://");
    }
  });

  it("leaves one address in either part, whatever the agent writes", () => {
    const parts = fc.constantFrom("https://", "www.", "evil.com", ".", ":", "//", "mailto:", "@", "a", "\n", " ", "＠");
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), (words) => {
        const { text, html } = mailWith(words.join(""));
        for (const part of [text, html]) {
          const rest = part.replace(LINK, "");
          expect(rest).not.toMatch(/[a-z]:\/\/|mailto:[^\s<]|[a-z0-9]\.[a-z]{2}/i);
        }
        expect(html.match(/<a /g)).toHaveLength(1);
      }),
    );
  });
});

describe("the headers (E02, E07)", () => {
  const HOSTILE = [
    "a\nBcc: v@evil.test",
    "a\u2028Bcc: v@evil.test",
    "a\0b",
    "=?utf-8?Q?Bcc=3A_v=40evil?=",
    "\r\n\r\n<b>body</b>",
  ];

  it.each(HOSTILE)("E02 hold nothing that ends one of them, and nothing that a reader decodes twice: %j", (text) => {
    const wire = mimeOf(mailWith(text, text));
    const [head = "", ...body] = wire.split("\r\n\r\n");
    const lines = head.replaceAll("\r\n ", "").split("\r\n");
    expect(lines.map((line) => line.split(":", 1)[0])).toEqual(HEADERS);
    expect(wire).not.toMatch(/[^\r]\n|[^\x20-\x7e\r\n]/);
    const subject = [...head.matchAll(/=\?utf-8\?B\?([^?]*)\?=/g)]
      .map(([, word]) => Buffer.from(word!, "base64").toString())
      .join("");
    expect(subject).toMatch(/^Stint: /);
    expect(subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
    expect(body.join("")).not.toContain("evil.test");
  });

  it("E07 say from whom and to whom it goes by configuration alone, and name nobody to answer to", () => {
    const lines = mimeOf(mailWith("Reply-To: v@evil.test", "From: v@evil.test")).split("\r\n");
    expect(lines[0]).toBe("From: Stint <stint@acme.example>");
    expect(lines[1]).toBe("To: <dana@acme.example>");
    expect(lines.join("\n")).not.toMatch(/^(?:reply-to|sender|cc|bcc|return-path):/im);
  });
});

const HEADERS = ["From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"];

describe("the subject (E04)", () => {
  it("is cut between characters", () => {
    for (const pad of ["", "x"]) {
      const { subject } = mailWith("w", pad + "😀".repeat(1000));
      expect(subject.length).toBeLessThanOrEqual(120);
      expect(subject.isWellFormed()).toBe(true);
      expect(subject.endsWith("…")).toBe(true);
    }
  });
});
