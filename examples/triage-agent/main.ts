import { readFileSync } from "node:fs";
import { Agent, type RegisteredKey } from "../../sdk/agent/index.ts";
import { triage } from "./triage.ts";

const [issuer, clientId, keyFile, tickets, repository] = process.argv.slice(2);
if (issuer === undefined || clientId === undefined || keyFile === undefined) usage();
else if (tickets === undefined || repository === undefined) usage();
else {
  const key = JSON.parse(readFileSync(keyFile, "utf8")) as RegisteredKey;
  const agent = new Agent({ issuer, clientId, key });
  await triage(agent, { tickets, repository, say: console.log });
}

function usage(): void {
  console.error(
    "Usage: node examples/triage-agent/main.ts ISSUER CLIENT_ID KEY_FILE TICKETS_RESOURCE OWNER/REPOSITORY",
  );
  process.exitCode = 2;
}
