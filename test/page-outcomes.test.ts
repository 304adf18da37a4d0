import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { ApproveOutcome, type ApproveOutcomeProps } from "../src/pages/approve-outcome.tsx";
import { STYLESHEET } from "../src/pages/stylesheet.ts";
import { AwayOutcome, type AwayOutcomeProps } from "../src/pages/away-outcome.tsx";
import { Away } from "../src/pages/away.tsx";
import { Inbox } from "../src/pages/inbox.tsx";
import { GlassReview } from "../src/pages/glass-review.tsx";
import { EnrolOutcome, type EnrolOutcomeProps } from "../src/pages/enrol-outcome.tsx";
import { SignInOutcome, type SignInOutcomeProps } from "../src/pages/sign-in-outcome.tsx";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LINE = { unit: "x:y", line: "Open issues · github acme/api", access: "write", enforcedBy: "upstream" } as const;

/** Every way in which a visit can end; the type sees to it that none is forgotten. */
const APPROVALS: { readonly [kind in ApproveOutcomeProps["kind"]]: ApproveOutcomeProps & { kind: kind } } = {
  approved: { kind: "approved", lines: [LINE], expiresAt: 2e9, agentName: "Bot", returnsTo: "app.example", token: "x" },
  counted: { kind: "counted", missing: 2 },
  denied: { kind: "denied", agentName: "Bot" },
  ended: { kind: "ended", agentName: "Bot" },
  reviewed: { kind: "reviewed", agentName: "Bot" },
  no_comment: { kind: "no_comment", token: "x" },
  over: { kind: "over", agentName: "Bot" },
  already_decided: { kind: "already_decided", verdict: "approved", decidedBy: "Dana", decidedAt: 1e9, token: "x" },
  nothing_left: { kind: "nothing_left", token: "x" },
  not_signed: { kind: "not_signed", token: "x" },
  wrong_code: { kind: "wrong_code", token: "x" },
  just_cut_off: { kind: "just_cut_off", token: "x" },
  expired: { kind: "expired" },
  invalid_link: { kind: "invalid_link" },
  not_permitted: { kind: "not_permitted" },
  changed: { kind: "changed" },
  forbidden: { kind: "forbidden" },
  too_many_codes: { kind: "too_many_codes", token: "t" },
  other_browser: { kind: "other_browser" },
  not_signed_in: { kind: "not_signed_in", token: "x" },
  wrong_person: { kind: "wrong_person", signedIn: "Sam" },
};
const ENROLMENTS: { readonly [kind in EnrolOutcomeProps["kind"]]: EnrolOutcomeProps & { kind: kind } } = {
  made: { kind: "made", personName: "Dana", usableFrom: 2e9 },
  used: { kind: "used" },
  not_made: { kind: "not_made" },
  invalid: { kind: "invalid" },
};

const SIGN_INS: { readonly [kind in SignInOutcomeProps["kind"]]: SignInOutcomeProps & { kind: kind } } = {
  signed_out: { kind: "signed_out" },
  refused: { kind: "refused" },
  forbidden: { kind: "forbidden" },
  unknown_person: { kind: "unknown_person", issuer: "https://id.acme.example", subject: "00u1" },
  no_role: { kind: "no_role" },
  unavailable: { kind: "unavailable" },
};

const ABSENCES: { readonly [kind in AwayOutcomeProps["kind"]]: AwayOutcomeProps & { kind: kind } } = {
  away: { kind: "away", from: 1e9, until: 2e9, delegateName: "Dana" },
  back: { kind: "back" },
  not_away: { kind: "not_away" },
  no_approver: { kind: "no_approver" },
  forbidden: { kind: "forbidden" },
};

let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await startBrowser();
  page = await browser.newPage();
});
afterAll(() => browser?.close());

/** What axe finds wrong with a page, in these colours. */
async function findings(html: string, colorScheme: "light" | "dark"): Promise<string[]> {
  await page.setContent(`<!doctype html>${html.replace("</head>", `<style>${STYLESHEET}</style></head>`)}`);
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width: 390, height: 844 });
  return page.evaluate<string[]>(`${AXE};axe.run().then(({ violations }) => violations.map(({ id }) => id))`);
}

async function inspect(html: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    expect([colorScheme, await findings(html, colorScheme)]).toEqual([colorScheme, []]);
    expect(await page.evaluate("document.documentElement.scrollWidth > innerWidth")).toBe(false);
  }
  expect((await page.getByRole("heading", { level: 1 }).innerText()).length).toBeGreaterThan(3);
  // Whoever ends up here is told what to do next, or that there is nothing to do.
  expect((await page.locator("main").innerText()).length).toBeGreaterThan(40);
}

describe("every way in which a visit can end is a page for everybody", () => {
  it.each(Object.values(APPROVALS))("an approval: $kind", async (props) => {
    await inspect(String(ApproveOutcome(props)));
  });

  it.each(Object.values(ENROLMENTS))("an invitation: $kind", async (props) => {
    await inspect(String(EnrolOutcome(props)));
  });

  it.each(Object.values(SIGN_INS))("a sign-in: $kind", async (props) => {
    await inspect(String(SignInOutcome(props)));
  });

  it.each(Object.values(ABSENCES))("an absence: $kind", async (props) => {
    await inspect(String(AwayOutcome(props)));
  });

  it("an absence's form: at first, refused, and where nobody could stand in", async () => {
    const away = {
      personName: "Dana",
      csrf: "y",
      absences: [],
      standIns: [{ id: "sam@acme.example", name: "Sam" }],
      now: 1e9,
      filled: { from: undefined, until: undefined, delegate: undefined },
      problem: undefined,
    };
    const first = String(Away(away));
    expect(first).toContain('value="2001-09-10T01:46"');
    await inspect(first);
    const absences = [{ from: 1e9, until: 2e9, delegateName: "Sam" }];
    const filled = { from: "2001-09-09T02:00", until: "", delegate: "sam@acme.example" };
    await inspect(String(Away({ ...away, absences, filled, problem: "give both times, as day and hour" })));
    await inspect(String(Away({ ...away, standIns: [] })));
  });

  it("the review of broken glass", async () => {
    const review = {
      use: { person: "lee@acme.example", reason: "production is down", at: 1e9 },
      agentName: "Bot",
      adminName: "Lee",
      approverName: "Dana",
      lines: [LINE],
      calls: 2,
      refusals: 0,
      token: "x",
      csrf: "y",
    };
    await inspect(String(GlassReview(review)));
    await inspect(String(GlassReview({ ...review, lines: [] })));
  });

  it("an inbox with something of each kind, and one with a review alone", async () => {
    const item = { sessionId: "ses_x", agentName: "Bot", lines: [LINE.line], task: "A task", until: 2e9 };
    const inbox = { personName: "Dana", csrf: "y", hidden: 2, hasAccounts: true, decides: true, awayUntil: 2e9 };
    const all = String(Inbox({ ...inbox, waiting: [item], working: [item], reviews: [item] }));
    expect(all).toContain("3 requests wait for you");
    await inspect(all);
    const review = String(Inbox({ ...inbox, hidden: 0, waiting: [], working: [], reviews: [item] }));
    expect(review).toContain("No request waits for you");
    expect(review).toContain("Review it");
    await inspect(review);
  });

  it("is looked at by something that sees: a page without a language, and pale text, are found", async () => {
    const html = String(ApproveOutcome({ kind: "expired" }));
    expect(await findings(html.replace('<html lang="en">', "<html>"), "light")).toContain("html-has-lang");
    const pale = html.replace("</main>", '<p style="color:#ccc">pale</p></main>');
    expect(await findings(pale, "light")).toContain("color-contrast");
  });
});
