import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanAgentText, DESCRIPTION_LIMITS, TITLE_LIMITS } from "../domain/agent-text.ts";
import { factsOf, type Facts, type Labels } from "../domain/facts.ts";
import type { SessionRequest } from "../domain/request.ts";
import { ok } from "../domain/result.ts";
import { AgentWords } from "../pages/agent-words.tsx";
import { FactsList } from "../pages/facts-list.tsx";
import { composeEmail } from "./email.ts";
import type { DeliveryContext, LinkNotice } from "./notice.ts";
import { postSlackLink } from "./slack.ts";

const UNIT = "github:issues:write@acme/api";
const labels: Labels = {
  agent_name: "Triage bot",
  owner_name: "Sam (sam@acme.example)",
  servers: { desk: { trust: "local", host: "desk.test" }, tickets: { trust: "remote", host: "tickets.test" } },
  units: { [UNIT]: { access: "write", title: "Open issues", enforced_by: "upstream" } },
};
/** Stands where no agent's text can: it has characters that are cleaned away. */
const MARK = "MARKMARK";

function noticeOf(title: string, description: string): LinkNotice {
  const request: SessionRequest = {
    issuer: "https://stint.test",
    session_id: "ses_x",
    client_id: "bot",
    agent_trust: "local",
    jkt: "abcdefghijkl",
    task: {
      title: MARK + cleanAgentText(title, TITLE_LIMITS),
      description: MARK + cleanAgentText(description, DESCRIPTION_LIMITS),
    },
    authorization_details: [
      { type: "upstream_access", upstream: "github", actions: ["issues:write"], locations: ["acme/api"] },
      { type: "mcp_tools", server: "desk", actions: ["print"] },
      { type: "mcp_tools", server: "tickets", actions: ["open_issue"], limits: { calls: 3 } },
    ],
    expires_in: 600,
    requested_at: 1,
  };
  return {
    issuer: "https://stint.test",
    sessionId: "ses_x",
    facts: factsOf(request, labels, "K7Q-MXB"),
    expiresAt: 2_000_000_000,
    approver: { id: "dana@acme.example", name: "Dana", roles: ["approver"], groups: [], identities: [], slack: "U1" },
    link: "https://stint.test/approve#x",
  };
}

const unescape = (html: string): string =>
  html
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

type Row = [label: string, value: string];

/** The facts as a reader of the page finds them, and the page with every quoted box taken out. */
function fromPage(facts: Facts): { rows: Row[]; outside: string; quotes: string[] } {
  const html = String(FactsList({ facts, without: [] })) + String(AgentWords({ facts }));
  return {
    rows: [...html.matchAll(/<dt>(.*?)<\/dt><dd><bdi>(.*?)<\/bdi><\/dd>/gs)].map(([, label, value]) => [
      unescape(label!),
      unescape(value!),
    ]),
    quotes: [...html.matchAll(/<blockquote[^>]*>(.*?)<\/blockquote>/gs)].map(([, text]) => unescape(text!)),
    outside: html.replaceAll(/<blockquote[^>]*>.*?<\/blockquote>/gs, ""),
  };
}

async function fromSlack(notice: LinkNotice): Promise<{ rows: Row[]; outside: string; quotes: string[] }> {
  let sent = "";
  const context: DeliveryContext = {
    notify: { slack: { token: { secret: "T" }, base_url: "https://slack.test" } },
    allowPrivateNetwork: false,
    readSecret: () => Promise.resolve("token"),
    outbound: {
      text: ({ body }) => {
        sent = body ?? "";
        return Promise.resolve(ok({ status: 200, headers: new Headers(), text: '{"ok":true}' }));
      },
      stream: () => Promise.reject(new Error("not used")),
    },
  };
  await postSlackLink(notice, context);
  const { blocks, text } = JSON.parse(sent) as {
    blocks: { type: string; text?: { type: string; text: string } }[];
    text: string;
  };
  const sections = blocks.filter(({ type }) => type === "section").map((block) => block.text!);
  expect(sections.every(({ type }) => type === "plain_text")).toBe(true);
  const quotes = sections.map((section) => section.text).filter((line) => line.startsWith("“"));
  return {
    rows: sections
      .map((section) => section.text)
      .filter((line) => !line.startsWith("“"))
      .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
    quotes: quotes.map((line) => line.slice(1, -1)),
    outside: text + JSON.stringify(blocks.filter((block) => block.text?.text.startsWith("“") !== true)),
  };
}

function fromMail(notice: LinkNotice): { rows: Row[]; outside: string } {
  const mail = composeEmail(notice, "stint@acme.example")!;
  const [, rows = ""] = mail.text.split("\r\n\r\n");
  return {
    rows: rows
      .replaceAll("\n  ", "\u0000")
      .split("\r\n")
      .map((line) => [
        line.slice(0, line.indexOf(": ")),
        line.slice(line.indexOf(": ") + 2).replaceAll("\u0000", "\n"),
      ]),
    outside:
      mail.subject +
      mail.text
        .split("\r\n")
        .filter((line) => !line.startsWith("> "))
        .join("") +
      mail.html.replaceAll(/<blockquote.*<\/blockquote>/gs, ""),
  };
}

describe("P17 I15 for every text that an agent can send", () => {
  it("page, Slack and mail state the same facts, and the text stands in its quoted box alone", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }),
      fc.constantFrom("</blockquote><dt>", "“x”", "Key: y", "> a\n\nb"),
    );
    await fc.assert(
      fc.asyncProperty(text, text, async (title, description) => {
        fc.pre(title.isWellFormed() && description.isWellFormed());
        const notice = noticeOf(title, description);
        const [page, slack, mail] = [fromPage(notice.facts), await fromSlack(notice), fromMail(notice)];
        const stated = notice.facts.rows.map(({ label, value }) => [label, value]);
        expect(page.rows).toEqual(stated);
        expect(slack.rows).toEqual(stated);
        expect(mail.rows).toEqual(stated);
        expect(page.quotes).toEqual(notice.facts.quotes.map((quote) => quote.text));
        expect(slack.quotes).toEqual(notice.facts.quotes.map((quote) => quote.text));
        for (const { outside } of [page, slack, mail]) expect(outside).not.toContain(MARK);
      }),
      { numRuns: 300 },
    );
  });
});
