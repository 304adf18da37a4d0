import { app } from "./app.ts";

export { Agent } from "./durable/agent.ts";
export { Ledger } from "./durable/ledger.ts";
export { Person } from "./durable/person.ts";
export { Session } from "./durable/session.ts";
export { Tenant } from "./durable/tenant.ts";

export default app;
