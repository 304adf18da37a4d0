import { runTool } from "./tool.ts";

process.exitCode = (await runTool("wrangler", ["types", "--strict-vars", "false"])).code;
