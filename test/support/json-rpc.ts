/** What a client of the streamable HTTP transport sends, and takes. */
export const MCP_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };

/** A JSON-RPC 2.0 request. */
export const rpc = (method: string, params: object = {}, id: unknown = 1) => ({ jsonrpc: "2.0", id, method, params });
