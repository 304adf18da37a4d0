import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Approver } from "./support/approver.ts";
import { ask, startTestWorld, tokenOf, type TestWorld } from "./support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world?.close());

/** An entry for this many repositories, whose names are so long. */
function entry(name: string, repositories: number, length: number, actions = ["issues:read"]) {
  const locations = Array.from({ length: repositories }, (_, at) => `acme/${name}-${at}-`.padEnd(length, "x"));
  return { type: "upstream_access", upstream: "github", actions, locations };
}

/** Has it approved, as far as `keep` accepts it, and uses its token for all that such a token is for. */
async function expectUsable(authorization_details: object[], keep?: (unit: string) => boolean): Promise<void> {
  const agent = await world.freshAgent();
  const { body } = await agent.ask(ask({ authorization_details }));
  const approved = await (await Approver.bySlack(world, "dana", body.session_id)).approve(keep);
  expect(approved.status).toBe(200);
  const token = tokenOf(await agent.poll(body.auth_req_id));
  expect((await agent.exchange(token, `${world.issuer}/proxy/github`)).status).toBe(200);
  expect((await agent.introspect(token)).body["active"]).toBe(true);
  expect((await agent.call(token, "GET", `/sessions/${body.session_id}`)).status).toBe(200);
  expect((await agent.call(token, "POST", `/sessions/${body.session_id}/end`)).body["status"]).toBe("ended");
}

describe("a grant of many parts", () => {
  it("is good when narrowing takes it into more entries than may be asked for", async () => {
    const both = ["issues:read", "issues:write"];
    const details = Array.from({ length: 20 }, (_, at) => entry(`r${at}`, 2, 12, both));
    await expectUsable(details, (unit) => !(unit.includes("issues:write") && /-1-/.test(unit)));
  });

  it("is good at its largest", async () => {
    await expectUsable([entry("a", 45, 90), entry("b", 45, 90)]);
  });

  it.each<[string, object[]]>([
    ["of long names", [0, 1, 2, 3].map((at) => entry(`r${at}`, 50, 100))],
    ["of longer names", [entry("a", 50, 200)]],
    ["that grows when it is taken apart", [entry("a", 45, 120, ["issues:read", "issues:write"])]],
  ])("Q04 is refused before any human is asked, where no token could hold it: %s", async (_, details) => {
    const agent = await world.freshAgent();
    const { status, body } = await agent.ask(ask({ authorization_details: details }));
    expect([status, body["error"]]).toEqual([400, "invalid_authorization_details"]);
    expect(String(body["error_description"])).toContain("no token could hold it");
  });
});
