import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { lend, withUpstreams } from "./support/lending.ts";
import { chunked, proxied } from "./support/proxied.ts";
import { approvedSession, startTestWorld, type TestWorld } from "./support/world.ts";

const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SESSION_TOKEN = "session/token+of==aws";
const ROLE = "arn:aws:iam::123456789012:role/stint";

/** STS and S3, by hand: no emulator knows web identities. Signatures are worked out from AWS's own description. */
interface Aws {
  readonly url: string;
  readonly asked: Record<string, string>[];
  readonly called: { method: string; url: string; body: string; isSigned: boolean }[];
  sts: () => { status: number; body: string };
  close(): Promise<void>;
}

const xml = (expiration: string): string =>
  `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE</AccessKeyId>` +
  `<SecretAccessKey>${SECRET}</SecretAccessKey><SessionToken>${SESSION_TOKEN}</SessionToken><Expiration>${expiration}</Expiration>` +
  `</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();

async function startAws(): Promise<Aws> {
  const server: Server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => void chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const { method = "", url = "" } = incoming;
      if (url === "/sts") {
        aws.asked.push(Object.fromEntries(new URLSearchParams(body)));
        const answer = aws.sts();
        outgoing.writeHead(answer.status, { "content-type": "text/xml" }).end(answer.body);
        return;
      }
      const isSigned = isSignatureGood(incoming, body);
      aws.called.push({ method, url, body, isSigned });
      outgoing.writeHead(isSigned ? 200 : 403).end("object");
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const aws: Aws = {
    url: `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
    asked: [],
    called: [],
    sts: () => ({ status: 200, body: xml(inAnHour()) }),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return aws;
}

/** Signature Version 4, as AWS describes how it checks one, for S3. */
function isSignatureGood({ method = "", url = "", headers }: IncomingMessage, body: string): boolean {
  const read =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    );
  if (read === null) return false;
  const [, id, day, region, service, signedHeaders, signature] = read as unknown as string[];
  const sha = (text: string): string => createHash("sha256").update(text).digest("hex");
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
  const [path = "", query = ""] = url.split("?");
  const names = signedHeaders!.split(";");
  const amz = Object.keys(headers).filter((name) => name.startsWith("x-amz-"));
  const canonical = [
    method,
    path,
    query.split("&").toSorted().join("&"),
    ...names.map((name) => `${name}:${String(headers[name])}`),
    "",
    signedHeaders,
    sha(body),
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha(canonical)].join("\n");
  const key = [day!, region!, service!, "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${SECRET}`);
  return (
    id === "ASIAEXAMPLEEXAMPLE" &&
    headers["x-amz-security-token"] === SESSION_TOKEN &&
    headers["x-amz-content-sha256"] === sha(body) &&
    ["host", ...amz].every((name) => names.includes(name)) &&
    hmac(key, text).toString("hex") === signature
  );
}

let aws: Aws;
let world: TestWorld;
beforeAll(async () => {
  aws = await startAws();
  const bucket = (access: string, title: string, method: string, action: string, resource: string) => ({
    access,
    title,
    location: ":bucket",
    permissions: { [action]: resource },
    routes: [`${method} /:bucket/:key+`],
  });
  world = await startTestWorld({
    adjust: (document) =>
      withUpstreams(document, [
        {
          id: "s3",
          connector: "aws",
          base_url: aws.url,
          role_arn: ROLE,
          region: "eu-central-1",
          service: "s3",
          sts_endpoint: `${aws.url}/sts`,
          catalogue: {
            operations: {
              "objects:read": bucket("read", "Read objects", "GET", "s3:GetObject", "arn:aws:s3:::{location}/*"),
              "objects:write": bucket("write", "Write objects", "PUT", "s3:PutObject", "arn:aws:s3:::{location}/*"),
              "objects:tag": { ...bucket("write", "Tag objects", "POST", "", ""), permissions: undefined },
            },
          },
        },
      ] as never),
  });
});
beforeEach(() => {
  aws.asked.length = 0;
  aws.called.length = 0;
  aws.sts = () => ({ status: 200, body: xml(inAnHour()) });
});
afterAll(async () => {
  await world?.close();
  await aws?.close();
});

describe("a role of AWS that trusts Stint", () => {
  it("lends each session keys that its own policy narrows, and signs its calls, bodies included", async () => {
    const session = await lend(world, "s3", ["objects:read", "objects:write"], ["reports"]);
    expect((await session.call("GET", "/reports/2026/a%20b.txt?versionId=1&partNumber=2")).status).toBe(200);
    expect((await session.call("PUT", "/reports/new.json", { hello: "world" })).status).toBe(200);
    expect(aws.called).toMatchObject([
      { method: "GET", url: "/reports/2026/a%20b.txt?versionId=1&partNumber=2", isSigned: true },
      { method: "PUT", body: '{"hello":"world"}', isSigned: true },
    ]);
    const [asked] = aws.asked;
    expect(aws.asked).toHaveLength(1);
    expect(asked).toMatchObject({
      Action: "AssumeRoleWithWebIdentity",
      RoleArn: ROLE,
      RoleSessionName: session.sessionId,
    });
    expect(JSON.parse(asked!["Policy"]!)).toEqual({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::reports/*" },
        { Effect: "Allow", Action: "s3:PutObject", Resource: "arn:aws:s3:::reports/*" },
      ],
    });
    const keys = createRemoteJWKSet(new URL(`${world.issuer}/oauth/jwks`));
    const identity = { issuer: world.issuer, audience: "sts.amazonaws.com" };
    const { payload } = await jwtVerify(asked!["WebIdentityToken"]!, keys, identity);
    expect(payload).toMatchObject({ session_id: session.sessionId });
    expect((await session.call("GET", "/other/x")).status).toBe(403);
    expect(await session.end()).toMatchObject({ leases: [{ fate: { fate: "expires_at" } }] });
    expect(world.broker.output()).not.toContain(SECRET);
  });

  it("reads a body of unknown length for its signature no further than the session's limit", async () => {
    const { agent, proxyToken } = await approvedSession(world, {
      authorization_details: [
        {
          type: "upstream_access",
          upstream: "s3",
          actions: ["objects:write"],
          locations: ["reports"],
          limits: { bytes: 30_000 },
        },
      ],
    });
    const token = await proxyToken("s3");
    const put = (pieces: number) =>
      proxied(agent, token, "/proxy/s3/reports/new", { method: "PUT", body: () => chunked("x".repeat(1000), pieces) });
    expect((await put(2)).status).toBe(200);
    const refused = await put(29);
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({ error: "limit_reached", limit: "bytes" });
    expect(aws.called).toMatchObject([{ body: "x".repeat(2000), isSigned: true }]);
  });

  it("refuses a body that is too large to be signed, and sends nothing", async () => {
    const session = await lend(world, "s3", ["objects:write"], ["reports"]);
    expect((await session.call("PUT", "/reports/big", "x".repeat(1_100_000))).status).toBe(413);
    expect(aws.called).toEqual([]);
  });

  it.each([
    ["an operation that says nothing of its permissions", ["objects:read", "objects:tag"], "reports"],
    ["a place that would stand for others", ["objects:read"], "report?"],
    ["a place that would be a variable", ["objects:read"], "${aws:username}"],
  ])("asks for no keys for %s", async (_, actions, location) => {
    const session = await lend(world, "s3", actions, [location]);
    const answer = await session.call("GET", `/${encodeURIComponent(location)}/x`);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(aws.asked).toEqual([]);
  });

  it.each([
    ["says no", { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" }, "upstream_unauthorized"],
    ["is down", { status: 503, body: "" }, "upstream_unavailable"],
    ["leaves the end out", { status: 200, body: xml("") }, "upstream_unavailable"],
    ["writes an end that is no time", { status: 200, body: xml("soon") }, "upstream_unavailable"],
    ["answers a page", { status: 200, body: "<html>" }, "upstream_unavailable"],
  ])("answers plainly when STS %s", async (_, answer, error) => {
    aws.sts = () => answer;
    const session = await lend(world, "s3", ["objects:read"], ["reports"]);
    expect(await session.call("GET", "/reports/x")).toMatchObject({ status: 502, body: { error } });
    expect(aws.called).toEqual([]);
  });
});
