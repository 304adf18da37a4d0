import { afterAll, beforeAll, expect, it } from "vitest";
import { startBrowser, type Browser } from "../demo/browser.ts";
import { startEmulators, type Emulators } from "../demo/emulators.ts";
import { until } from "../demo/until.ts";
import { startStranger, type Stranger, type Typed } from "./support/stranger.ts";

let emulators: Emulators;
let browser: Browser;
let stranger: Stranger;
let server: Typed;
beforeAll(async () => {
  [emulators, browser] = await Promise.all([startEmulators(), startBrowser()]);
  stranger = await startStranger({ emulators, browser, document: "examples/README.md" });
});
afterAll(async () => {
  if (server?.child.pid !== undefined) process.kill(-server.child.pid, "SIGTERM");
  await stranger?.close();
  await browser?.close();
  await emulators?.close();
});

it("examples/README.md takes a stranger to an agent that used a server, and gave everything back", async () => {
  server = stranger.type("server");
  await until("the server", async () => (server.output().includes("listens at") ? true : undefined), 30_000);
  const agent = stranger.type("agent");
  const matchCode = await until(
    "the match code",
    async () => /Match code: ([A-Z0-9]{3}-[A-Z0-9]{3})/.exec(agent.output())?.[1],
  );
  await stranger.approve(matchCode);
  expect(await agent.ended).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/Approved until [^]*Opened acme\/api#\d+\n[^]*Ended: completed\. The receipt: eyJ/),
  });
});
