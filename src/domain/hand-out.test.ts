import { describe, expect, it } from "vitest";
import type { AccessDetail } from "./access.ts";
import { factsOf, type Labels } from "./facts.ts";
import { isPossible, possibleHandOuts } from "./hand-out.ts";
import type { SessionRequest } from "./request.ts";
import type { Server } from "./tenant.ts";

const server: Server = {
  id: "tickets",
  resource: "https://tickets.test/mcp",
  owner: "dana",
  trust: "remote",
  dpop_bound_access_tokens_required: true,
  definitions: "pinned",
  hand_out: ["github"],
  tools: {
    open: { access: "write", operations: ["github:issues:write"] },
    note: { access: "write", operations: ["notes:write"] },
  },
};
const write: AccessDetail = {
  type: "upstream_access",
  upstream: "github",
  actions: ["issues:write"],
  locations: ["acme/api"],
};
const tool = (name: string): AccessDetail => ({ type: "mcp_tools", server: "tickets", actions: [name] });
const possible = (details: readonly AccessDetail[], servers = [server]) =>
  possibleHandOuts(servers, details, () => true);

describe("what a server may be handed", () => {
  it("is the tenant's word, for tools that need the upstream, where nothing is limited", () => {
    expect(possible([write, tool("open")])).toEqual([
      {
        server: "tickets",
        upstream: "github",
        tools: ["open"],
        operations: ["github:issues:write"],
        isTakenBack: true,
      },
    ]);
  });

  it.each<[string, readonly AccessDetail[], readonly Server[]]>([
    ["no tool of the server", [write], [server]],
    ["a tool that needs another upstream", [write, tool("note")], [server]],
    ["a tool that the server does not have", [write, tool("constructor")], [server]],
    [
      "another operation of the upstream",
      [{ ...write, actions: ["issues:read"] } as AccessDetail, tool("open")],
      [server],
    ],
    ["no access to the upstream", [tool("open")], [server]],
    ["limits", [{ ...write, limits: { bytes: 1 } } as AccessDetail, tool("open")], [server]],
    ["a server without the tenant's word", [write, tool("open")], [{ ...server, hand_out: [] }]],
  ])("is nothing with %s", (_, details, servers) => {
    expect(possible(details, [...servers])).toEqual([]);
  });

  it("is nothing any more when the approver takes the tool or the access away", () => {
    const [handOut] = possible([write, tool("open"), tool("note")]);
    expect(isPossible(handOut!, [write, tool("open")])).toBe(true);
    expect(isPossible(handOut!, [write, tool("note")])).toBe(false);
    expect(isPossible(handOut!, [tool("open")])).toBe(false);
  });
});

describe("the facts of a request", () => {
  const request: SessionRequest = {
    issuer: "https://stint.test",
    session_id: "ses_x",
    client_id: "bot",
    jkt: "abcdefghijkl",
    task: { title: "A task" },
    authorization_details: [write, tool("open")],
    expires_in: 600,
    requested_at: 1,
  };
  const labels = (isTakenBack: boolean): Labels => ({
    agent_name: "Bot",
    owner_name: "Sam",
    units: {
      "github:issues:write@acme/api": { access: "write", title: "Open issues", enforced_by: "upstream_alone" },
    },
    hand_outs: possibleHandOuts([server], request.authorization_details, () => isTakenBack),
  });

  it.each([
    [true, "Stint has the upstream take it back when the session ends."],
    [false, "it ends by itself, which may be after the session."],
  ])("warn, and say how it ends, taken back: %s", (isTakenBack, end) => {
    const { warnings, notes } = factsOf(request, labels(isTakenBack), undefined);
    expect(warnings).toEqual([
      `Server tickets is handed github's own token (unconstrained): from then on neither Stint's proxy nor its limits hold it; ${end}`,
    ]);
    expect(notes.join(" ")).toContain("enforced by the upstream alone");
    expect(notes.join(" ")).not.toContain("proxy");
  });

  it("warn of it no more once it is narrowed away", () => {
    expect(factsOf(request, labels(true), undefined, [write]).warnings).toEqual([]);
  });
});
