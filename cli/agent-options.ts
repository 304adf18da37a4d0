import { DEFAULT_URL, issuerOf } from "./admin-client.ts";
import { newProofKey, StintClient } from "./agent-client.ts";
import { CliError } from "./cli-error.ts";
import { readKeyFile } from "./key-file.ts";

/** Options that every command of an agent's takes. */
export const AGENT_OPTIONS = {
  "client-id": { type: "string" },
  key: { type: "string" },
  url: { type: "string" },
} as const;

export const AGENT_HELP = `  --client-id ID      the agent, as the tenant document names it (or STINT_CLIENT_ID)
  --key FILE          its private key, by stint keygen (or STINT_KEY_FILE)
  --url ISSUER        the tenant's issuer (or STINT_URL; default ${DEFAULT_URL})
`;

export interface AgentValues {
  readonly "client-id"?: string | undefined;
  readonly key?: string | undefined;
  readonly url?: string | undefined;
}

/** Who asks, from the options or else the environment, with a DPoP key that lives as long as this process. */
export async function agentOf(values: AgentValues): Promise<StintClient> {
  const clientId = values["client-id"] ?? process.env["STINT_CLIENT_ID"];
  const key = values.key ?? process.env["STINT_KEY_FILE"];
  if (clientId === undefined || key === undefined)
    throw new CliError("--client-id and --key are needed, or STINT_CLIENT_ID and STINT_KEY_FILE", 2);
  return new StintClient(issuerOf(values.url), clientId, readKeyFile(key), await newProofKey());
}
