import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { StintClient } from "../cli/agent-client.ts";
import type { Page } from "playwright-core";
import { verifyReceipt } from "../cli/receipt-verifier.ts";
import { startBrowser, type Browser } from "./browser.ts";
import { freePort } from "./free-port.ts";
import { NOTES_ACCESS, prepareGateway, useGateway } from "./gateway.ts";
import { callTool, connectMcp } from "./mcp-client.ts";
import { Narrator } from "./narrator.ts";
import type { NotesServer } from "./notes-server.ts";
import { OTHER_ACCESS, startOtherUpstreams, useTracker, useUpLimit } from "./other-upstreams.ts";
import { startTicketServer } from "./ticket-server.ts";
import type { Tracker } from "./tracker.ts";
import { until } from "./until.ts";
import { addVirtualPasskey, makePasskey } from "./virtual-passkey.ts";
import { startWorld, type World } from "./world.ts";

const HELP = `Usage: npm run demo [-- --interactive]

Runs one approved task end to end on this machine: the broker on workerd, stateful emulators of GitHub,
Google, Slack and a mail API, a tracker with GraphQL, an example agent, two MCP servers (one guards itself,
one stands behind Stint), and an approver in a real browser.

  --interactive  prints the approver's link and waits for you to click it
`;

const HUMAN_DEADLINE_MS = 10 * 60_000;

const { values } = parseArgs({ options: { interactive: { type: "boolean" }, help: { type: "boolean" } } });
if (values.help === true) process.stdout.write(HELP);
else {
  await demo(values.interactive === true).catch((fault: Error) => {
    process.stderr.write(`\nThe demo stopped: ${fault.message}\n`);
    process.exitCode = 1;
  });
}

async function demo(interactive: boolean): Promise<void> {
  const tell = new Narrator();
  // Whatever stops the demo, nothing that it started stays.
  await using started = new AsyncDisposableStack();
  const start = async <T extends { close(): Promise<void> }>(part: Promise<T>): Promise<T> =>
    started.adopt(await part, (one) => one.close());
  tell.step("Start Stint on workerd, and GitHub, Google, Slack and a mail API as stateful emulators, all on loopback.");
  const [serverPort, others, gateway] = [await freePort(), await start(startOtherUpstreams()), await prepareGateway()];
  const world = await start(
    startWorld({
      serverPort,
      adjust: (document) => demandPasskeys(gateway.adjust(others.adjust(document))),
      secrets: others.secrets,
    }),
  );
  const tickets = await start(startTicketServer(serverPort, world.issuer, world.keys.server.privateJwk));
  const notes = await start(gateway.start(world));
  const browser = interactive ? undefined : await start(startBrowser());
  tell.say(`Stint is ${world.issuer}; the example MCP server is ${tickets.url}.`);
  await story(tell, { world, serverUrl: tickets.url, notes, tracker: others.tracker, browser });
  process.stdout.write("\nEvery step did what it says.\n");
}

/** What a policy says that says nothing: an approval takes the approver's own passkey. */
function demandPasskeys(document: Record<string, unknown>): Record<string, unknown> {
  const policies = document["policies"] as Record<string, unknown>[];
  return { ...document, policies: policies.map((policy) => ({ ...policy, assurance: undefined })) };
}

interface Stage {
  readonly world: World;
  readonly serverUrl: string;
  readonly notes: NotesServer;
  readonly tracker: Tracker;
  readonly browser: Browser | undefined;
}

async function story(tell: Narrator, { world, serverUrl, notes, tracker, browser }: Stage): Promise<void> {
  const agent = await world.agent();

  tell.step("The operator invites Dana, who makes a passkey. The first one can approve at once.");
  const { body: invited } = await world.broker.admin("POST", "/admin/people/dana@acme.example/invite", {});
  const invitation = String(invited["link"]);
  const page = await browser?.newPage();
  if (page === undefined) tell.say(`You are Dana. Open this link and make a passkey: ${invitation}`);
  else {
    await addVirtualPasskey(page);
    await makePasskey(page, invitation);
    tell.check(true, "a real passkey, made by the browser with its user verified");
  }

  tell.step("The agent asks for access to triage the issues of two repositories, for 15 minutes.");
  const asked = await agent.ask({
    task: { title: "Triage the open issues", description: "Read what is open, open a summary issue." },
    authorization_details: [
      {
        type: "upstream_access",
        upstream: "github",
        actions: ["issues:read", "issues:write"],
        locations: ["acme/api", "acme/web"],
      },
      { type: "mcp_tools", server: "tickets", actions: ["open_issue"] },
      NOTES_ACCESS,
      ...OTHER_ACCESS,
    ],
    expires_in: 900,
  });
  tell.show({ status: asked.status, ...asked.body });
  tell.check(
    asked.status === 202 && !JSON.stringify(asked.body).includes("approve"),
    "it gets a handle to wait with, and no link",
  );
  const { session_id, auth_req_id, match_code } = asked.body;
  tell.show((await agent.poll(auth_req_id)).body);

  tell.step("Stint sends each approver a link of their own, by Slack and by mail.");
  const link = await linkFor(world, "dana", session_id);
  const mail = await until("the mail", async () =>
    (await world.emulators.mails()).find(
      ({ to, text }) => to.includes("dana@acme.example") && text.includes(match_code),
    ),
  );
  tell.say(`Slack, to Dana alone: ${link.slice(0, 60)}…`);
  tell.say(`Mail to ${mail.to.join()}: "${mail.subject}"`);
  const announced = await until(
    "the notice in the channel",
    async () => (await world.emulators.channelMessages("approvals"))[0],
  );
  tell.check(!announced.includes("/approve#"), "the notice in the shared channel holds no link");

  tell.step("The approver opens it, compares the match code, and takes away one repository.");
  if (page === undefined) approveByHand(tell, link, agent);
  else await approveInBrowser(tell, page, link, match_code);

  tell.step("The agent gets its session token: bound to its key, ending with the session, never renewable.");
  const redeemed = await until(
    "the approval",
    async () => {
      const polled = await agent.poll(auth_req_id);
      if (polled.body["error"] === "authorization_pending" || polled.body["error"] === "slow_down") {
        await sleep(polled.body["error"] === "slow_down" ? 7000 : 2000);
        return undefined;
      }
      return polled;
    },
    HUMAN_DEADLINE_MS,
  );
  tell.show(redeemed.body);
  if (redeemed.status !== 200) throw new Error("the request was not approved, so there is nothing more to show");
  const sessionToken = String(redeemed.body["access_token"]);
  tell.check(
    redeemed.body["token_type"] === "DPoP" && !("refresh_token" in redeemed.body),
    "a DPoP token, and no refresh token",
  );

  tell.step(
    "It calls a tool of an MCP server that guards itself, which exchanges the token it was given and opens an issue through the proxy.",
  );
  const forServer = await agent.exchange(sessionToken, serverUrl);
  const client = await connectMcp(agent, String(forServer.body["access_token"]), serverUrl);
  const said = await callTool(client, "open_issue", { repository: "acme/api", title: "Summary of open issues" });
  await client.close();
  tell.say(`The tool answers: ${said}`);
  const titles = (await world.emulators.issues("acme/api")).map(({ title }) => title);
  tell.check(titles.includes("Summary of open issues"), "the issue is there, at GitHub");
  tell.show(await world.emulators.installationTokens());

  await useGateway(tell, world, agent, sessionToken, notes);

  tell.step("A write outside the grant is refused before it leaves.");
  const forProxy = await agent.exchange(sessionToken, `${world.issuer}/proxy/github`);
  const proxyToken = String(forProxy.body["access_token"]);
  const before = world.emulators.githubRequests();
  for (const [method, path] of outsideCalls(forProxy.body["authorization_details"])) {
    const outside = await agent.call(proxyToken, method, path, { title: "Not granted" });
    tell.show({ call: `${method} ${path}`, status: outside.status, ...outside.body });
    tell.check(outside.status === 403 && world.emulators.githubRequests() === before, "GitHub never saw it");
  }

  await useTracker(tell, world, agent, sessionToken, tracker);
  await useUpLimit(tell, world, agent, sessionToken);

  tell.step("A stolen token is worth nothing without the agent's key.");
  const thief = await world.agent();
  const stolen = await thief.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues");
  tell.show({ status: stolen.status, ...stolen.body });
  tell.check(stolen.status === 401, "refused");

  tell.step("The agent tries to go on by itself: a refresh, a longer life, another use of its handle.");
  for (const attempt of [
    await agent.token(async () => ({ grant_type: "refresh_token", refresh_token: sessionToken })),
    await agent.exchange(sessionToken, `${world.issuer}/proxy/github`, { expires_in: "86400" }),
    await agent.poll(auth_req_id),
  ]) {
    tell.show(attempt.body);
    tell.check(
      attempt.status === 400 && /open a new (one|session)/.test(String(attempt.body["error_description"])),
      "refused, and told to open a new session",
    );
  }

  tell.step("The agent says it is done. Everything made from the session dies with it.");
  const ended = await agent.call(sessionToken, "POST", `/sessions/${session_id}/end`);
  tell.show({ status: ended.body["status"], outcome: ended.body["outcome"], leases: ended.body["leases"] });
  const after = await agent.call(proxyToken, "GET", "/proxy/github/repos/acme/api/issues");
  tell.show({ status: after.status, ...after.body });
  tell.check(after.status === 401, "the proxy refuses at once");

  tell.step("The signed receipt says what was granted, by whom, and what became of each credential.");
  const receipt = JSON.parse(
    Buffer.from(String(ended.body["receipt"]).split(".")[1] ?? "", "base64url").toString(),
  ) as Record<string, unknown>;
  tell.say(JSON.stringify(receipt, undefined, 2));
  const leases = receipt["leases"] as { upstream: string; fate: { fate: string }; in_words: string }[];
  const keys = (await (await fetch(`${world.issuer}/oauth/jwks`)).json()) as { keys: object[] };
  const verified = await verifyReceipt(String(ended.body["receipt"]), keys);
  tell.check(verified.ok, "it holds without the broker: its signature, the grant's digest, and the passkey's over it");
  for (const { upstream, in_words } of leases) tell.say(`${upstream}: ${in_words}`);
  const fates = new Set(leases.map(({ fate }) => fate.fate));
  tell.check(
    fates.has("revoked") && fates.has("expires_at") && fates.has("irrevocable"),
    "it tells them apart: taken back at GitHub, ending by itself at Google, and at the tracker never handed out at all",
  );
}

/** Calls that the approver did not grant: the repository that was taken away, and what was never asked for. */
function outsideCalls(granted: unknown): [string, string][] {
  const never: [string, string] = ["PUT", "/proxy/github/repos/acme/api/contents/notes.md"];
  return JSON.stringify(granted).includes("acme/web")
    ? [never]
    : [["POST", "/proxy/github/repos/acme/web/issues"], never];
}

/** The link in a person's newest direct message about a session. */
async function linkFor(world: World, name: "dana", sessionId: string): Promise<string> {
  const slackId = await world.emulators.slackId(name);
  return until(`${name}'s Slack message`, async () => {
    const messages = (await world.emulators.directMessages(slackId)).join("\n");
    return [...messages.matchAll(/http[^"\\ ]*\/approve#([A-Za-z0-9._-]+)/g)].find(([, token]) =>
      Buffer.from((token ?? "").split(".")[1] ?? "", "base64url")
        .toString()
        .includes(sessionId),
    )?.[0];
  });
}

async function approveInBrowser(tell: Narrator, page: Page, link: string, matchCode: string): Promise<void> {
  await page.goto(link);
  await page.getByRole("heading", { name: "Triage bot asks for access" }).waitFor();
  tell.check(!page.url().includes("#"), "the token is out of the address bar");
  tell.check(
    (await page.locator(".match strong").textContent()) === matchCode,
    `the page shows the same match code, ${matchCode}`,
  );
  for (const box of await page.getByRole("checkbox", { name: /acme\/web/ }).all()) await box.uncheck();
  await page.getByRole("combobox").selectOption({ label: "5 min" });
  await page.getByRole("button", { name: "Review and approve" }).click();
  await page.getByRole("heading", { name: "Approve exactly this?" }).waitFor();
  tell.say(
    `Dana reads: ${(await page.locator(".lines li").allInnerTexts()).map((line) => line.replaceAll(/\s+/g, " ")).join(" / ")}`,
  );
  await page.getByRole("button", { name: /^Approve as/ }).click();
  await page.getByRole("heading", { name: "Approved" }).waitFor();
  tell.check(true, "signed with her passkey, and approved: 5 minutes, one repository");
  const again = await page.context().newPage();
  await again.goto(link);
  await again.getByRole("heading", { name: "Already decided" }).waitFor();
  tell.check(true, "a second click changes nothing and says so");
}

function approveByHand(tell: Narrator, link: string, agent: StintClient): void {
  tell.say(`You are Dana. The agent, ${agent.clientId}, waits. Open this link, take away acme/web, and approve:`);
  tell.say(link);
  tell.say("It asks until you have decided, for ten minutes at most.");
}
