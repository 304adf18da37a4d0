/** How a host on this machine starts a server. */
export interface ServerStart {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface McpHost {
  readonly title: string;
  /** The file that the configuration goes into. */
  readonly file: string;
  config(start: ServerStart): string;
}

const NAME = "stint";

const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;
const underMcpServers = (start: ServerStart): string => json({ mcpServers: { [NAME]: start } });

/** The hosts by the name that the command line takes. */
export const MCP_HOSTS: Readonly<Record<string, McpHost>> = {
  "claude-desktop": {
    title: "Claude Desktop",
    file: "claude_desktop_config.json (Settings, Developer, Edit Config)",
    config: underMcpServers,
  },
  "claude-code": {
    title: "Claude Code",
    file: ".mcp.json in the project",
    config: (start) => json({ mcpServers: { [NAME]: { type: "stdio", ...start } } }),
  },
  cursor: { title: "Cursor", file: "~/.cursor/mcp.json, or .cursor/mcp.json in the project", config: underMcpServers },
  vscode: {
    title: "VS Code",
    file: ".vscode/mcp.json in the workspace",
    config: (start) => json({ servers: { [NAME]: { type: "stdio", ...start } } }),
  },
  windsurf: { title: "Windsurf", file: "~/.codeium/windsurf/mcp_config.json", config: underMcpServers },
  codex: { title: "Codex", file: "~/.codex/config.toml", config: toml },
  gemini: { title: "Gemini CLI", file: "~/.gemini/settings.json", config: underMcpServers },
};

/** A JSON string is a basic string of TOML, too. */
function toml({ command, args, env }: ServerStart): string {
  const lines = Object.entries(env).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return [
    `[mcp_servers.${NAME}]`,
    `command = ${JSON.stringify(command)}`,
    `args = ${JSON.stringify(args)}`,
    "",
    `[mcp_servers.${NAME}.env]`,
    ...lines,
    "",
  ].join("\n");
}
