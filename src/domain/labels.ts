import { unitsOf, type AccessDetail } from "./access.ts";
import type { CompiledTenant } from "./compiled-tenant.ts";
import type { Enforcement, History, Labels, UnitLabel } from "./facts.ts";
import { absenceAt } from "./absence.ts";
import type { ApprovalPlan } from "./policy.ts";
import { timeText } from "./moment.ts";
import { registrationOf } from "./registration.ts";
import type { SessionRequest } from "./request.ts";
import type { Upstream } from "./tenant.ts";

/** Captures what things are called now, so that every reader of this request sees the same names. */
export function labelsFor(
  tenant: CompiledTenant,
  request: Pick<SessionRequest, "client_id" | "user" | "authorization_details">,
  history?: History,
): Labels {
  const agent = registrationOf(tenant, request.client_id);
  const owner = agent === undefined ? undefined : tenant.people.get(agent.owner);
  const user = request.user === undefined ? undefined : tenant.people.get(request.user);
  return {
    agent_name: agent?.name ?? request.client_id,
    owner_name: owner === undefined ? "nobody" : `${owner.name} (${owner.id})`,
    ...(user === undefined ? {} : { user_name: `${user.name} (${user.id})` }),
    ...(history === undefined ? {} : { history }),
    units: Object.fromEntries(request.authorization_details.flatMap((detail) => labelUnits(tenant, detail))),
  };
}

/** `Kim (kim@acme.example) for Dana (dana@acme.example), away until …`: one for each who stands in. */
export function standInLines(tenant: CompiledTenant, { stand_ins = [] }: ApprovalPlan, at: number): string[] {
  return stand_ins.map((standIn) => {
    const until = absenceAt(tenant.absences, standIn.for, at)?.until;
    const away = until === undefined ? "away" : `away until ${timeText(until)}`;
    return `${nameOf(tenant, standIn.person)} for ${nameOf(tenant, standIn.for)}, ${away}`;
  });
}

function nameOf(tenant: CompiledTenant, id: string): string {
  const person = tenant.people.get(id);
  return person === undefined ? id : `${person.name} (${id})`;
}

function labelUnits(tenant: CompiledTenant, detail: AccessDetail): [string, UnitLabel][] {
  return unitsOf(detail).map((unit) => [
    unit,
    detail.type === "mcp_tools"
      ? toolLabel(tenant, detail.server, unit)
      : operationLabel(tenant, detail.upstream, unit),
  ]);
}

function toolLabel(tenant: CompiledTenant, server: string, unit: string): UnitLabel {
  const tool = unit.slice(`mcp:${server}:`.length);
  return {
    access: tenant.servers.get(server)?.tools[tool]?.access ?? "write",
    title: `Use the tool ${tool} of server ${server}`,
    enforced_by: "server",
  };
}

function operationLabel(tenant: CompiledTenant, upstream: string, unit: string): UnitLabel {
  const name = unit.slice(upstream.length + 1).split("@", 1)[0] ?? "";
  const compiled = tenant.upstreams.get(upstream);
  const operation = compiled?.catalogue.operations[name];
  const enforced_by = compiled === undefined ? "proxy" : enforcementAt(compiled.upstream);
  return { access: operation?.access ?? "write", title: operation?.title ?? unit, enforced_by };
}

/** Who holds a session to its grant: an upstream that narrows its credential (and the proxy besides), or the proxy alone. */
function enforcementAt({ connector }: Upstream): Enforcement {
  switch (connector) {
    case "github_app":
      return "upstream";
    case "api_key":
      return "proxy";
  }
}
