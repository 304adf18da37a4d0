import { describe, expect, it } from "vitest";
import { abilitiesIn, lookRequest } from "./mcp-abilities.ts";
import { saysItOpensAddresses } from "./mcp-initialize.ts";

const KEY = "io.modelcontextprotocol/clientCapabilities";
const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const URLS = { elicitation: { url: {} } };
const NONE = { tasks: false, urls: false };

describe("what a client says that it can", () => {
  it.each([
    ["tasks", TASKS, { tasks: true, urls: false }],
    ["addresses", URLS, { tasks: false, urls: true }],
    ["both", { ...TASKS, ...URLS }, { tasks: true, urls: true }],
    [
      "tasks with settings of a later day",
      { extensions: { "io.modelcontextprotocol/tasks": { list: true } } },
      { tasks: true, urls: false },
    ],
  ])("counts: %s", (_, capabilities, abilities) => {
    expect(abilitiesIn({ [KEY]: capabilities })).toEqual(abilities);
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a text", "tasks"],
    ["a list", [TASKS]],
    ["the experimental tasks of 2025-11-25", { tasks: { requests: { tools: { call: {} } } } }],
    ["tasks as a text", { extensions: "io.modelcontextprotocol/tasks" }],
    ["tasks as a list", { extensions: ["io.modelcontextprotocol/tasks"] }],
    ["tasks that are null", { extensions: { "io.modelcontextprotocol/tasks": null } }],
    ["tasks that are true", { extensions: { "io.modelcontextprotocol/tasks": true } }],
    ["tasks in other letters", { extensions: { "IO.modelcontextprotocol/tasks": {} } }],
    ["tasks under experimental", { experimental: { "io.modelcontextprotocol/tasks": {} } }],
    ["forms", { elicitation: {} }],
    ["forms by name", { elicitation: { form: {} } }],
    ["addresses that are null", { elicitation: { url: null } }],
    ["addresses that are false", { elicitation: { url: false } }],
    ["addresses as a list", { elicitation: ["url"] }],
  ])("is nothing: %s", (_, capabilities) => {
    expect(abilitiesIn({ [KEY]: capabilities })).toEqual(NONE);
  });

  it("stands under its own name alone", () => {
    expect(abilitiesIn({ clientCapabilities: { ...TASKS, ...URLS }, ...TASKS, ...URLS })).toEqual(NONE);
  });
});

describe("what an older client says when it begins", () => {
  const initialize = (changes: object = {}, params: object = {}) => ({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", clientInfo: { name: "h", version: "1" }, capabilities: URLS, ...params },
    ...changes,
  });

  it("counts where it opens addresses", () => {
    expect(saysItOpensAddresses(initialize())).toBe(true);
  });

  it.each([
    ["another method", initialize({ method: "tools/call" })],
    ["a revision without elicitation by address", initialize({}, { protocolVersion: "2025-06-18" })],
    ["a revision of no day", initialize({}, { protocolVersion: ["2025-11-25"] })],
    ["no ability", initialize({}, { capabilities: {} })],
    ["forms", initialize({}, { capabilities: { elicitation: {} } })],
    ["an ability that is true", initialize({}, { capabilities: { elicitation: { url: true } } })],
    ["a batch", [initialize()]],
    ["null", null],
    ["a number", 5],
  ])("is nothing: %s", (_, body) => {
    expect(saysItOpensAddresses(body as never)).toBe(false);
  });
});

it("shows a client's human an address that is the same for every session", () => {
  const [one, other] = [lookRequest("https://a.test", "AAA-AAA"), lookRequest("https://a.test", "BBB-BBB")];
  expect([one, other].map(({ approval }) => (approval.params as { url?: string }).url)).toEqual([
    "https://a.test/inbox",
    "https://a.test/inbox",
  ]);
});
