import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../scripts/build.ts";
import { Approver } from "./support/approver.ts";
import { startTestWorld, type TestWorld } from "./support/world.ts";
import type { StintClient } from "../cli/agent-client.ts";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const block = (language: string, name: string): string =>
  new RegExp(`\`\`\`${language} ${name}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? "";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

/** A form as the README writes it, a parameter a line. */
function form(name: string, values: Record<string, string>): Record<string, string> {
  const filled = Object.entries(values).reduce(
    (text, [placeholder, value]) => text.replaceAll(placeholder, value),
    block("form", name),
  );
  return Object.fromEntries(
    filled
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

async function postJson(agent: StintClient, body: string): Promise<{ status: number; body: Record<string, unknown> }> {
  for (let nonce: string | undefined; ;) {
    const { client_assertion } = await agent.assertion();
    const dpop = await agent.proof("POST", `${world.issuer}/sessions`, nonce);
    const response = await fetch(`${world.issuer}/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json", dpop },
      body: body.replace("CLIENT_ASSERTION", client_assertion),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (answer["error"] !== "use_dpop_nonce") return { status: response.status, body: answer };
    nonce = response.headers.get("dpop-nonce") ?? "";
  }
}

describe("the README", () => {
  it("tells what an agent sends and gets, to the letter", async () => {
    const agent = await world.agent();
    const asked = await postJson(agent, block("json", "ask"));
    expect(asked.status).toBe(202);
    expect(Object.keys(asked.body).toSorted()).toEqual(
      Object.keys(JSON.parse(block("json", "asked")) as object).toSorted(),
    );
    await (await Approver.bySlack(world, "dana", String(asked.body["session_id"]))).approve();
    const polled = await agent.token(async () =>
      form("poll", {
        AUTH_REQ_ID: String(asked.body["auth_req_id"]),
        CLIENT_ASSERTION: (await agent.assertion()).client_assertion,
      }),
    );
    expect(polled.status).toBe(200);
    const exchanged = await agent.token(async () =>
      form("exchange", { SESSION_TOKEN: String(polled.body["access_token"]), ISSUER: world.issuer }),
    );
    expect(exchanged.status).toBe(200);
    const token = String(exchanged.body["access_token"]);
    expect((await agent.call(token, "GET", "/proxy/github/repos/acme/api/issues")).status).toBe(200);
    expect(
      (
        await agent.call(
          String(polled.body["access_token"]),
          "POST",
          `/sessions/${String(asked.body["session_id"])}/end`,
        )
      ).body,
    ).toHaveProperty("receipt");
  });

  it("names tests that are there", () => {
    const docs = `${readme}\n${readFileSync(join(ROOT, "docs", "threats.md"), "utf8")}`;
    for (const [, path] of docs.matchAll(/`((?:test|src)\/[a-z/-]+\.test\.ts)`/g)) {
      expect(() => readFileSync(join(ROOT, path ?? "")), path).not.toThrow();
    }
  });
});
