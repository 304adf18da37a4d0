import { describe, expect, it } from "vitest";
import type { Outbound, TextRequest } from "../connectors/outbound.ts";
import { ok } from "../domain/result.ts";
import { postSlackLink } from "./slack.ts";

/** Slack refuses a message with a longer text in a block. */
const SLACK_BLOCK_TEXT = 3000;

async function postedWith(words: string, warnings: readonly string[] = []): Promise<string> {
  const sent: TextRequest[] = [];
  const outbound = {
    text(request: TextRequest) {
      sent.push(request);
      return Promise.resolve(ok({ status: 200, headers: new Headers(), text: '{"ok":true}' }));
    },
  } as unknown as Outbound;
  const posted = await postSlackLink(
    {
      issuer: "https://stint.acme.example",
      sessionId: "ses_1",
      approver: { id: "dana@acme.example", name: "Dana", roles: ["approver"], groups: [], identities: [], slack: "U1" },
      facts: {
        headline: "Bot asks",
        rows: [],
        warnings,
        notes: [],
        quotes: [{ label: "Description", text: words }],
      },
      expiresAt: 0,
      link: "https://stint.acme.example/approve#token",
    },
    {
      notify: { slack: { token: { secret: "SLACK_BOT_TOKEN" }, base_url: "https://slack.com/api" } },
      outbound,
      allowPrivateNetwork: false,
      readSecret: () => Promise.resolve("xoxb-x"),
    },
  );
  expect(posted).toEqual(ok("sent"));
  return sent[0]?.body ?? "";
}

describe("an agent's words in Slack", () => {
  it.each(["", "x"])("are cut between characters, and their quotation mark still closes (after %j)", async (pad) => {
    const body = JSON.parse(await postedWith(pad + "😀".repeat(2000))) as { blocks: { text?: { text: string } }[] };
    const quoted = body.blocks.map(({ text }) => text?.text ?? "").find((text) => text.startsWith("“"))!;
    expect(quoted.isWellFormed()).toBe(true);
    expect(quoted.length).toBeLessThanOrEqual(SLACK_BLOCK_TEXT);
    expect(quoted.endsWith("…”")).toBe(true);
  });
});

describe("a request with more to warn of than a message has room for in blocks", () => {
  it.each([0, 10, 11, 120])("says all of %i warnings, within what Slack takes", async (count) => {
    const warnings = Array.from({ length: count }, (_, at) => `Warning ${at + 1}.`);
    const { blocks } = JSON.parse(await postedWith("a task", warnings)) as {
      blocks: { type: string; elements?: { text?: unknown }[] }[];
    };
    expect(blocks.length).toBeLessThanOrEqual(50);
    const contexts = blocks.filter(({ type }) => type === "context").map(({ elements = [] }) => elements);
    expect(contexts.every(({ length }) => length >= 1 && length <= 10)).toBe(true);
    const said = contexts.flat().map(({ text }) => text);
    expect(said.filter((text) => String(text).startsWith("Warning"))).toEqual(warnings);
    expect(blocks.some(({ type }) => type === "actions")).toBe(true);
  });
});
