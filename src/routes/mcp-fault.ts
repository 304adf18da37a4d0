import { log } from "../log.ts";
import { MCP_PATH } from "../protocol/token-exchange.ts";

/**
 * What is told when something of Stint's own failed. The library would pass the fault's words on, which
 * are for nobody outside; like any other, it is written down by its name.
 */
export async function orFault<T>(work: Promise<T>, told: T): Promise<T> {
  try {
    return await work;
  } catch (fault) {
    log("request.failed", { route: MCP_PATH, reason: fault instanceof Error ? fault.name : typeof fault });
    return told;
  }
}
