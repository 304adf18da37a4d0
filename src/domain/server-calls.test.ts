import { describe, expect, it } from "vitest";
import { judgeServerRequest, planServerToken } from "./server-calls.ts";
import type { Server } from "./tenant.ts";

const SERVER: Server = {
  id: "tickets",
  resource: "https://tickets.example/mcp",
  owner: "sam",
  trust: "remote",
  dpop_bound_access_tokens_required: true,
  definitions: "pinned",
  hand_out: [],
  tools: {
    open: { access: "write", operations: ["github:write"] },
    list: { access: "read", operations: ["github:read"] },
  },
};
const GRANT = {
  authorization_details: [
    { type: "mcp_tools", server: "tickets", actions: ["open", "list"] },
    { type: "mcp_tools", server: "other", actions: ["open"] },
    { type: "upstream_access", upstream: "github", actions: ["read", "write", "admin"] },
  ],
  expires_at: 1000,
} as const;
const TARGET = {
  kind: "server",
  id: "tickets",
  audience: SERVER.resource,
  tools: { open: ["github:write"], list: ["github:read"] },
  isCounted: true,
} as const;
const ask = (tools: readonly string[], held = GRANT.authorization_details as never, heldUntil = 1000) => ({
  held,
  heldUntil,
  target: TARGET,
  calls: tools.map((tool) => ({ unit: `mcp:tickets:${tool}`, access: "read" as const, cost: 1, times: 1 })),
});

describe("what a server's token lends", () => {
  it("is the tools that are called, and what these need", () => {
    expect(planServerToken(GRANT, ask(["open"]), () => true, 0)).toEqual({
      ok: true,
      value: {
        expires_at: 300,
        authorization_details: [
          { type: "mcp_tools", server: "tickets", actions: ["open"] },
          { type: "upstream_access", upstream: "github", actions: ["write"] },
        ],
      },
    });
  });

  it("is no upstream's access to connect and to list", () => {
    const plan = planServerToken(GRANT, ask([]), () => true, 0);
    expect(plan).toMatchObject({
      ok: true,
      value: { authorization_details: [{ type: "mcp_tools", server: "tickets", actions: ["open", "list"] }] },
    });
  });

  it("is no more than the token that was shown holds, and no longer", () => {
    const narrow = [{ type: "mcp_tools", server: "tickets", actions: ["open"] }] as never;
    expect(planServerToken(GRANT, ask(["open"], narrow, 50), () => true, 0)).toEqual({
      ok: true,
      value: { expires_at: 50, authorization_details: narrow },
    });
    expect(planServerToken(GRANT, ask(["open"], narrow, 50), () => true, 50)).toEqual({
      ok: false,
      error: "subject_expired",
    });
  });

  it("is nothing where the policy of today allows nothing", () => {
    expect(planServerToken(GRANT, ask(["open"]), () => false, 0)).toEqual({ ok: false, error: "invalid_target" });
  });
});

describe("a request to a server", () => {
  it.each(["__proto__", "constructor", "toString", "Open", "open ", "OPEN", "\uff4fpen", "ope\u0301n"])(
    "calls no tool named %s",
    (tool) => {
      const judged = judgeServerRequest(SERVER, [{ kind: "tool", tool, given: {} }], () => true);
      expect(judged).toEqual({ ok: false, error: { reason: "unknown_operation" } });
    },
  );

  it("passes as a whole or not at all", () => {
    const calls = ["list", "open"].map((tool) => ({ kind: "tool" as const, tool, given: {} }));
    const judged = judgeServerRequest(SERVER, calls, (unit) => unit === "mcp:tickets:list");
    expect(judged).toEqual({ ok: false, error: { reason: "not_granted", unit: "mcp:tickets:open" } });
  });
});
