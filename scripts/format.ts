import { runTool } from "./tool.ts";

process.exitCode = (await runTool("oxfmt", [])).code;
