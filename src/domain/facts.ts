import {
  limitsOf,
  partsOf,
  placesOf,
  serverOf,
  unitsBeyond,
  unitsOf,
  type AccessDetail,
  type AccessUnit,
  type Place,
} from "./access.ts";
import { formatDuration } from "./duration.ts";
import { isPossible, type PossibleHandOut } from "./hand-out.ts";
import { formatLimits } from "./limits.ts";
import { timeText } from "./moment.ts";
import type { Trust } from "./tenant.ts";
import type { SessionRequest } from "./request.ts";

/**
 * What Stint itself says of a request, the same on the page, in Slack and in mail. `quotes` hold the
 * agent's words and are always shown as a quotation of the agent.
 */
export interface Facts {
  readonly headline: string;
  readonly rows: readonly { readonly label: string; readonly value: string }[];
  readonly quotes: readonly { readonly label: string; readonly text: string }[];
  /** What makes this request more dangerous than others. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Who enforces a grant's entry: the upstream and Stint's proxy; the upstream as far as its scopes reach,
 * the proxy for the rest; the proxy alone; the upstream alone, whose token may be handed out; the server itself; or
 * a program on the agent's own machine.
 */
export type Enforcement = "upstream" | "scope" | "proxy" | "upstream_alone" | "server" | "local_server";

/** What a unit is called, captured when the request was made so that every reader sees the same. */
export interface UnitLabel {
  readonly access: "read" | "write";
  readonly title: string;
  readonly enforced_by: Enforcement;
}

/** Names captured from the tenant's document when the request was made. */
export interface Labels {
  readonly agent_name: string;
  readonly owner_name: string;
  readonly user_name?: string | undefined;
  /** Upstreams at which it would use that person's own account. */
  readonly accounts?: readonly string[] | undefined;
  readonly units: { readonly [unit: AccessUnit]: UnitLabel };
  /** Where the tools of each server run. */
  readonly servers?: { readonly [server: string]: { readonly trust: Trust; readonly host: string } } | undefined;
  /** Servers that may be handed an upstream's own token. */
  readonly hand_outs?: readonly PossibleHandOut[] | undefined;
  readonly history?: History | undefined;
  /** Who decides in the place of whom, a line each. */
  readonly stand_ins?: readonly string[] | undefined;
}

/** What this agent was granted before, when it asked. */
export interface History {
  /** Sessions that were decided in the last seven days. */
  readonly approved: number;
  readonly denied: number;
  /** The newest grant, if there is one. */
  readonly last?: { readonly at: number; readonly units: readonly AccessUnit[] } | undefined;
}

/**
 * States a request, or what is left of it after narrowing.
 *
 * @param matchCode undefined where the approver has to type it, and so must not be told
 */
export function factsOf(
  request: SessionRequest,
  labels: Labels,
  matchCode: string | undefined,
  details: readonly AccessDetail[] = request.authorization_details,
): Facts {
  const units = unitsAdded(request, details);
  const base = request.extends;
  return {
    headline: `${labels.agent_name} asks for ${base === undefined ? "access" : "more"}`,
    rows: [
      { label: "Agent", value: `${labels.agent_name} (${request.client_id})` },
      { label: "Owner", value: labels.owner_name },
      ...(request.agent_trust === undefined ? [] : [{ label: "Runs", value: AGENT_RUNS[request.agent_trust] }]),
      { label: "Key", value: keyOf(request) },
      ...codeFlowRows(request),
      ...(labels.user_name === undefined ? [] : [{ label: "For", value: labels.user_name }]),
      ...(labels.accounts === undefined ? [] : [{ label: "With their account at", value: labels.accounts.join("\n") }]),
      { label: "May write", value: listUnits(units, labels, "write") },
      { label: "May read", value: listUnits(units, labels, "read") },
      ...toolRows(details, labels),
      ...limitRows(details, request),
      ...(base === undefined
        ? [{ label: "For at most", value: formatDuration(request.expires_in) }]
        : [
            {
              label: "On top of",
              value: base.authorization_details
                .flatMap(unitsOf)
                .map((unit) => unitLine(unit, labels))
                .join("\n"),
            },
            { label: "Until", value: `${timeText(base.expires_at)}, as before` },
          ]),
      ...historyRows(labels, units),
      ...(labels.stand_ins === undefined || labels.stand_ins.length === 0
        ? []
        : [{ label: "Stands in", value: labels.stand_ins.join("\n") }]),
      ...(matchCode === undefined ? [] : [{ label: "Match code", value: matchCode }]),
    ],
    quotes: [
      ...(request.client_document === undefined ? [] : [{ label: "Calls itself", text: request.client_document.name }]),
      { label: "Task", text: request.task.title },
      ...(request.task.description === undefined ? [] : [{ label: "Description", text: request.task.description }]),
      ...(request.task.reference === undefined ? [] : [{ label: "Reference", text: request.task.reference }]),
    ],
    warnings: [...warningsOf(request), ...handOutWarnings(labels, details)],
    notes: [...browserNote(request), ...enforcementNotes(units, labels), ...locationNotes(units, labels)],
  };
}

const AGENT_RUNS: Readonly<Record<Trust, string>> = {
  local: "on a person's machine, where other programs may reach its key (local trust)",
  remote: "as a service of its own (remote trust)",
};

/** Where the tools run, a line for each server: whom a human has to trust for what they do. */
function toolRows(details: readonly AccessDetail[], { servers = {} }: Labels): { label: string; value: string }[] {
  const lines = placesOf(details).flatMap((place) => {
    const id = serverOf(place);
    const server = id === undefined || !Object.hasOwn(servers, id) ? undefined : servers[id];
    if (server === undefined) return [];
    return server.trust === "local"
      ? `${id}: on the machine of the agent, where nobody checks what answers`
      : `${id}: at ${server.host}, proved by its key`;
  });
  return lines.length === 0 ? [] : [{ label: "Tools run", value: lines.join("\n") }];
}

/** What a decision is about: all of a first request, and of a later one what is not granted already. */
export function unitsAdded({ extends: base }: SessionRequest, details: readonly AccessDetail[]): AccessUnit[] {
  return [...new Set(unitsBeyond(details, base?.authorization_details ?? []))];
}

/** How often lately, and what is new against the last grant: a human sees at once what is out of the ordinary. */
function historyRows({ history, ...labels }: Labels, units: readonly AccessUnit[]): { label: string; value: string }[] {
  if (history === undefined) return [];
  const { approved, denied, last } = history;
  const lately = `${approved} approved and ${denied} denied in the last 7 days`;
  if (last === undefined) {
    const value = denied === 0 ? "nothing was granted to it before" : `${lately}; nothing was granted to it before`;
    return [{ label: "Lately", value }];
  }
  const fresh = units.filter((unit) => !last.units.includes(unit));
  const value = fresh.length === 0 ? "nothing" : fresh.map((unit) => unitLine(unit, labels)).join("\n");
  return [
    { label: "Lately", value: lately },
    { label: "New to it", value },
  ];
}

function keyOf({ jkt, code_flow }: SessionRequest): string {
  if (jkt !== undefined) return shortThumbprint(jkt);
  return code_flow?.bearer === true
    ? "none: whoever holds the token can use it"
    : "the one that the client proves when it fetches the token";
}

/** What a browser's request says of where it goes, as hosts: the rest of an address is its owner's to choose. */
function codeFlowRows({ code_flow }: SessionRequest): { label: string; value: string }[] {
  if (code_flow === undefined) return [];
  const { redirect_uri, resource } = code_flow;
  return [
    { label: "Returns to", value: new URL(redirect_uri).host },
    ...(resource === undefined ? [] : [{ label: "Good at", value: resource }]),
  ];
}

function browserNote({ code_flow }: SessionRequest): string[] {
  return code_flow === undefined
    ? []
    : ["Open the link in the browser where you began. Elsewhere it can only be denied; if you did not begin it, deny."];
}

function warningsOf({ code_flow }: SessionRequest): string[] {
  if (code_flow === undefined) return [];
  return [
    ...(code_flow.bearer
      ? ["The token is bound to no key. Whoever gets hold of it can use it until the session ends."]
      : []),
    ...(code_flow.loopback_only
      ? ["This client returns to a program on your own machine, which any program there can pretend to be."]
      : []),
  ];
}

function handOutWarnings({ hand_outs = [] }: Labels, details: readonly AccessDetail[]): string[] {
  return hand_outs
    .filter((handOut) => isPossible(handOut, details))
    .map(
      ({ server, upstream, isTakenBack }) =>
        `Server ${server} is handed ${upstream}'s own token (unconstrained): from then on neither Stint's proxy nor its limits hold it; ${
          isTakenBack
            ? "Stint has the upstream take it back when the session ends."
            : "it ends by itself, which may be after the session."
        }`,
    );
}

/** The first characters of a key's thumbprint, for a human to compare. */
function shortThumbprint(jkt: string): string {
  return `${jkt.slice(0, 4)} ${jkt.slice(4, 8)} ${jkt.slice(8, 12)}`;
}

/** One line of a grant: `Open, change and close issues · github acme/api`. A tool's title names its server already. */
export function unitLine(unit: AccessUnit, labels: Labels): string {
  const title = labels.units[unit]?.title ?? unit;
  const parts = partsOf(unit);
  if (parts.kind === "tool") return title;
  const { upstream, location } = parts;
  return location === undefined ? `${title} · ${upstream}` : `${title} · ${upstream} ${location}`;
}

/** What people call a place: `github`, `server tickets`. */
export function placeName(place: Place): string {
  const server = serverOf(place);
  return server === undefined ? place : `server ${server}`;
}

/** How much of each place, where that is limited: `github: 200 calls, 20 writes`. */
export function limitLines(details: readonly AccessDetail[]): string[] {
  return placesOf(details).flatMap((place) => {
    const limits = formatLimits(limitsOf(details, place));
    return limits === "" ? [] : [`${placeName(place)}: ${limits}`];
  });
}

function limitRows(
  details: readonly AccessDetail[],
  { extends: base }: SessionRequest,
): { label: string; value: string }[] {
  const lines = limitLines(details);
  // What comes on top is counted with what the session has used until then.
  const label = base === undefined ? "In all at most" : "In the whole session at most";
  return lines.length === 0 ? [] : [{ label, value: lines.join("\n") }];
}

function listUnits(units: readonly AccessUnit[], labels: Labels, access: "read" | "write"): string {
  const lines = units.filter((unit) => (labels.units[unit]?.access ?? "write") === access);
  return lines.length === 0 ? "nothing" : lines.map((unit) => unitLine(unit, labels)).join("\n");
}

/** Whether an operation is granted as a whole: wherever the upstream's credential reaches. */
export function reachesEverywhere(unit: AccessUnit): boolean {
  const parts = partsOf(unit);
  return parts.kind === "operation" && parts.location === undefined;
}

function locationNotes(units: readonly AccessUnit[], labels: Labels): string[] {
  const lines = units.filter(reachesEverywhere).map((unit) => unitLine(unit, labels));
  return lines.length === 0 ? [] : [`${lines.join("; ")}: not limited by location.`];
}

const ENFORCEMENT_NOTES: Readonly<Record<Enforcement, string>> = {
  upstream: "enforced by the upstream and by Stint's proxy",
  scope: "enforced by the upstream as far as its scopes reach, and by Stint's proxy alone beyond them",
  proxy: "enforced by Stint's proxy alone: the upstream cannot narrow its credential",
  upstream_alone: "enforced by the upstream alone, as far as its token can be narrowed: a server may be handed it",
  server: "enforced by the MCP server that is given the token",
  local_server: "enforced by nobody but the program itself, on the agent's own machine",
};

function enforcementNotes(units: readonly AccessUnit[], labels: Labels): string[] {
  return (Object.keys(ENFORCEMENT_NOTES) as Enforcement[]).flatMap((enforcement) => {
    const held = units.filter((unit) => labels.units[unit]?.enforced_by === enforcement);
    return held.length === 0
      ? []
      : [`${held.map((unit) => unitLine(unit, labels)).join("; ")}: ${ENFORCEMENT_NOTES[enforcement]}.`];
  });
}
