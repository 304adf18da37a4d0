import { createServer } from "node:http";
import { buildSchema, graphql } from "graphql";

export const TRACKER_KEY = "lin_api_of_the_whole_company";

/** An issue tracker with GraphQL and one key for everything, as many have it. */
export interface Tracker {
  readonly url: string;
  /** How many requests have reached it. */
  requests(): number;
  titles(): string[];
  close(): Promise<void>;
}

const schema = buildSchema(`
  type Issue { id: ID!, title: String! }
  type IssueConnection { nodes: [Issue!]! }
  type IssuePayload { success: Boolean!, issue: Issue }
  input IssueCreateInput { title: String! }
  type Query { issues(first: Int): IssueConnection! }
  type Mutation { issueCreate(input: IssueCreateInput!): IssuePayload! issueDelete(id: ID!): IssuePayload! }
`);

export async function startTracker(): Promise<Tracker> {
  const issues = new Map([["1", "The login page is slow"]]);
  let requests = 0;
  const rootValue = {
    issues: () => ({ nodes: [...issues].map(([id, title]) => ({ id, title })) }),
    issueCreate({ input: { title } }: { input: { title: string } }) {
      const id = String(issues.size + 1);
      issues.set(id, title);
      return { success: true, issue: { id, title } };
    },
    issueDelete: ({ id }: { id: string }) => ({ success: issues.delete(id) }),
  };
  const server = createServer((incoming, outgoing) => {
    requests += 1;
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      const isKnown = incoming.headers.authorization === TRACKER_KEY;
      const { query } = JSON.parse(isKnown ? body : "{}") as { query?: string };
      void graphql({ schema, source: query ?? "", rootValue }).then((answer) =>
        outgoing
          .writeHead(isKnown ? 200 : 401, { "content-type": "application/json" })
          .end(JSON.stringify(isKnown ? answer : { errors: [{ message: "unauthorized" }] })),
      );
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://localhost:${port}`,
    requests: () => requests,
    titles: () => [...issues.values()],
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
