import { createServer } from "node:http";
import { buildSchema, graphql } from "graphql";

/** What one request asked of the upstream, and what that did. */
export interface SeenGraphql {
  readonly method: string;
  readonly url: string;
  readonly contentType: string | undefined;
  /** To the byte. */
  readonly body: Buffer;
}

export interface GraphqlUpstream {
  readonly url: string;
  readonly seen: SeenGraphql[];
  /** Root fields that were carried out, such as `mutation issueDelete`. */
  readonly carriedOut: string[];
  close(): Promise<void>;
}

/** A corner of Linear's schema. */
const schema = buildSchema(`
  type Webhook { id: ID secret: String }
  type WebhookConnection { nodes: [Webhook] }
  type Team { id: ID key: String name: String inviteHash: String webhooks: WebhookConnection }
  type Issue { id: ID title: String team: Team children: IssueConnection }
  type IssueConnection { nodes: [Issue] }
  type IssuePayload { success: Boolean issue: Issue }
  type Query { issue(id: String!): Issue issues(first: Int): IssueConnection teams: [Team] viewer: Team }
  type Mutation {
    issueCreate(title: String!): IssuePayload
    issueDelete(id: String!): IssuePayload
    commentCreate(body: String!): IssuePayload
  }
`);

/** A real GraphQL server, as lenient as they come: it takes batches, and documents by GET and by form too. */
export async function startGraphqlUpstream(): Promise<GraphqlUpstream> {
  const seen: SeenGraphql[] = [];
  const carriedOut: string[] = [];

  const run = async ({ query, operationName, variables }: Asked): Promise<unknown> =>
    graphql({
      schema,
      source: query ?? "",
      operationName: operationName ?? null,
      variableValues: variables ?? {},
      fieldResolver: (parent, _args, _context, { parentType, fieldName, returnType }) => {
        if (parent === undefined) carriedOut.push(`${parentType.name.toLowerCase()} ${fieldName}`);
        if (String(returnType) === "String" || String(returnType) === "ID") return `${fieldName} of something`;
        return String(returnType).startsWith("[") ? [{}] : String(returnType) === "Boolean" ? true : {};
      },
    });

  async function answer(url: string, body: Buffer): Promise<unknown> {
    const asked = new URL(url, "http://x").searchParams.get("query");
    if (asked !== null) return run({ query: asked });
    const parsed = JSON.parse(body.toString()) as Asked | Asked[];
    return Array.isArray(parsed) ? Promise.all(parsed.map(run)) : run(parsed);
  }

  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      const url = incoming.url ?? "";
      seen.push({ method: incoming.method ?? "", url, contentType: incoming.headers["content-type"], body });
      void answer(url, body).then(
        (data) => outgoing.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(data)),
        () => outgoing.writeHead(400).end(),
      );
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    seen,
    carriedOut,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

interface Asked {
  readonly query?: string;
  readonly operationName?: string;
  readonly variables?: Record<string, unknown>;
}
