import { readFileSync } from "node:fs";
import { signMetadata, type RegisteredKey } from "../../sdk/server/index.ts";
import { listen } from "../listen.ts";
import { ticketDefinitions, ticketServer } from "./tickets.ts";

const [issuer, resource, keyFile] = process.argv.slice(2);
if (issuer === undefined || resource === undefined || keyFile === undefined) {
  console.error("Usage: node examples/ticket-server/main.ts ISSUER RESOURCE KEY_FILE");
  process.exit(2);
}
const { origin, port } = new URL(resource);
const key = JSON.parse(readFileSync(keyFile, "utf8")) as RegisteredKey;
// Where the owner chose "definitions": "signed", this is what the tools are accepted by.
const signedMetadata = await signMetadata(await ticketDefinitions(), { issuer, resource, key });
await listen(Number(port), origin, ticketServer({ issuer, resource, key, signedMetadata }));
console.log(`The ticket server listens at ${resource}`);
