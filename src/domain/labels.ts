import { partsOf, placesOf, unitsOf, type AccessDetail, type AccessUnit } from "./access.ts";
import type { CompiledTenant, CompiledUpstream } from "./compiled-tenant.ts";
import type { Enforcement, History, Labels, UnitLabel } from "./facts.ts";
import { serverAt } from "./counted.ts";
import { linkables } from "./linked-account.ts";
import { absenceAt } from "./absence.ts";
import type { ApprovalPlan } from "./policy.ts";
import { timeText } from "./moment.ts";
import { registrationOf } from "./registration.ts";
import type { SessionRequest } from "./request.ts";
import type { Operation } from "./tenant.ts";

/** Who enforces a grant of these operations at an upstream. */
export type NarrowingAt = (upstream: CompiledUpstream, operations: readonly Operation[]) => Enforcement;

/** Captures what things are called now, so that every reader of this request sees the same names. */
export function labelsFor(
  tenant: CompiledTenant,
  request: Pick<SessionRequest, "client_id" | "user" | "authorization_details">,
  narrowingAt: NarrowingAt,
  history?: History,
): Labels {
  const agent = registrationOf(tenant, request.client_id);
  const owner = agent === undefined ? undefined : tenant.people.get(agent.owner);
  const user = request.user === undefined ? undefined : tenant.people.get(request.user);
  const accounts = linkables(tenant)
    .map(({ upstream }) => upstream.id)
    .filter((id) => request.authorization_details.some((detail) => "upstream" in detail && detail.upstream === id));
  return {
    agent_name: agent?.name ?? request.client_id,
    owner_name: owner === undefined ? "nobody" : `${owner.name} (${owner.id})`,
    ...(user === undefined ? {} : { user_name: `${user.name} (${user.id})` }),
    ...(accounts.length === 0 ? {} : { accounts }),
    ...(history === undefined ? {} : { history }),
    servers: Object.fromEntries(
      placesOf(request.authorization_details).flatMap((place) => {
        const server = serverAt(tenant, place);
        return server === undefined
          ? []
          : [[server.id, { trust: server.trust, host: new URL(server.resource).host }] as const];
      }),
    ),
    units: Object.fromEntries(
      request.authorization_details.flatMap((detail) =>
        labelUnits(tenant, detail, enforcementOf(tenant, request.authorization_details, narrowingAt)),
      ),
    ),
  };
}

/** One credential serves a session at an upstream, so all that is asked for there decides how far it is narrowed. */
function enforcementOf(
  tenant: CompiledTenant,
  details: readonly AccessDetail[],
  narrowingAt: NarrowingAt,
): (upstream: string) => Enforcement {
  return (id) => {
    const compiled = tenant.upstreams.get(id);
    if (compiled === undefined) return "proxy";
    const { operations } = compiled.catalogue;
    const names = details.flatMap((detail) =>
      detail.type === "upstream_access" && detail.upstream === id ? detail.actions : [],
    );
    return narrowingAt(
      compiled,
      names.flatMap((name) => (Object.hasOwn(operations, name) ? [operations[name]!] : [])),
    );
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

function labelUnits(
  tenant: CompiledTenant,
  detail: AccessDetail,
  enforcementAt: (upstream: string) => Enforcement,
): [string, UnitLabel][] {
  return unitsOf(detail).map((unit) => {
    const parts = partsOf(unit);
    return [
      unit,
      parts.kind === "tool"
        ? toolLabel(tenant, parts.server, parts.tool)
        : operationLabel(tenant, unit, parts, enforcementAt(parts.upstream)),
    ];
  });
}

function toolLabel(tenant: CompiledTenant, server: string, tool: string): UnitLabel {
  return {
    access: tenant.servers.get(server)?.tools[tool]?.access ?? "write",
    title: `Use the tool ${tool} of server ${server}`,
    enforced_by: tenant.servers.get(server)?.trust === "local" ? "local_server" : "server",
  };
}

function operationLabel(
  tenant: CompiledTenant,
  unit: AccessUnit,
  { upstream, operation }: { readonly upstream: string; readonly operation: string },
  enforced_by: Enforcement,
): UnitLabel {
  const known = tenant.upstreams.get(upstream)?.catalogue.operations[operation];
  return { access: known?.access ?? "write", title: known?.title ?? unit, enforced_by };
}
