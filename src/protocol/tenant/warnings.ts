import type { DocumentProblem } from "../../domain/compiled-tenant.ts";
import { warnHandOuts } from "../../domain/hand-out.ts";
import { assuranceLevels, type TenantDocument, type TrustPolicy } from "../../domain/tenant.ts";

/** What a document may say, and its author should know each time that it is applied. */
export function documentWarnings(document: TenantDocument): DocumentProblem[] {
  return [
    ...document.policies.flatMap(warnAssurance),
    ...warnBearer(document),
    ...warnSigned(document),
    ...warnHandOuts(document),
    ...warnBreakGlass(document),
    ...warnSharedAddresses(document),
  ];
}

/** A token that is bound to no key is worth a warning every time the document is applied. */
function warnBearer({ servers }: TenantDocument): DocumentProblem[] {
  return servers.flatMap(({ id, dpop_bound_access_tokens_required }, at) =>
    dpop_bound_access_tokens_required
      ? []
      : [
          {
            path: `/servers/${at}/dpop_bound_access_tokens_required`,
            message: `server ${id} takes tokens that are bound to no key: whoever holds one can use it`,
          },
        ],
  );
}

/** Whoever holds the server's key then says what agents read of its tools. */
function warnSigned({ servers }: TenantDocument): DocumentProblem[] {
  return servers.flatMap(({ id, definitions }, at) =>
    definitions === "pinned"
      ? []
      : [
          {
            path: `/servers/${at}/definitions`,
            message: `server ${id} accepts its own tool definitions by signature: nobody looks at them first`,
          },
        ],
  );
}

function warnAssurance({ id, assurance }: TrustPolicy, at: number): DocumentProblem[] {
  const path = `/policies/${at}/assurance`;
  return assuranceLevels(assurance).includes("link")
    ? [{ path, message: `policy ${id} takes whoever holds the link for the approver` }]
    : [];
}

function warnBreakGlass({ break_glass }: TenantDocument): DocumentProblem[] {
  return break_glass === undefined
    ? []
    : [{ path: "/break_glass", message: "an admin can decide a request alone, whoever its policy names" }];
}

/** Two people who are reached at one place are one human as far as a link says, who could approve what the other asks for. */
function warnSharedAddresses({ people }: TenantDocument): DocumentProblem[] {
  const taken = new Map<string, string>();
  return people.flatMap(({ id, email = id, slack }, at) =>
    [email.toLowerCase(), ...(slack === undefined ? [] : [`Slack ${slack}`])].flatMap((address) => {
      const other = taken.get(address);
      if (other === undefined) taken.set(address, id);
      return other === undefined
        ? []
        : [
            {
              path: `/people/${at}`,
              message: `${id} is reached at the same place as ${other} (${address}): whoever reads it there can decide as either`,
            },
          ];
    }),
  );
}
