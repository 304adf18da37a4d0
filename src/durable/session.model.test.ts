import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { digestOf, sha256 } from "../crypto/hash.ts";
import { objectName } from "../domain/ids.ts";
import { REQUEST_LIFETIME_SECONDS } from "../domain/session.ts";
import {
  access,
  DANA,
  forgetAll,
  freshProof,
  ISSUER,
  openSession,
  pollSession,
  sessionObject,
  STANDING,
  START,
  stopClock,
} from "../../test/workerd/session-object.ts";
import { eventDigestInput } from "./journal.ts";
import type { Session } from "./session.ts";

const RUNS = 40;

/** What a session should be, in the fewest words. */
interface Model {
  status: "pending" | "active" | "ended";
  how?: string;
  end: number;
  redeemed: boolean;
  minted: number;
}

type Step =
  | { do: "approve"; seconds: number }
  | { do: "deny" | "poll" | "exchange" | "finish" | "revoke" | "withdraw" | "evict" | "alarm" }
  | { do: "tick"; seconds: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("approve" as const), seconds: fc.integer({ min: 1, max: 900 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("tick" as const), seconds: fc.integer({ min: 0, max: 400 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("exchange" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("poll" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "deny" as const,
        "finish" as const,
        "revoke" as const,
        "withdraw" as const,
        "evict" as const,
        "alarm" as const,
      ),
    }),
  },
);

beforeEach(stopClock);
afterEach(forgetAll);

let count = 0;

it("P2 P3 P4 P5 P6 P20 does what a few words say of it, through evictions, alarms and jumps of time", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
      count += 1;
      vi.setSystemTime(START * 1000);
      const id = `ses_${String(count).padStart(22, "0")}`;
      const session = () => sessionObject(id);
      const request = await openSession(id);
      const model: Model = { status: "pending", end: START + REQUEST_LIFETIME_SECONDS, redeemed: false, minted: 0 };
      let now = START;
      let minted = 0;

      for (const one of steps) {
        if (one.do === "tick") vi.setSystemTime((now += one.seconds) * 1000);
        if (model.status !== "ended" && now >= model.end) Object.assign(model, { status: "ended", how: "expired" });
        const expected = expectation(model, one);
        const actual = await take(one);
        if (expected !== undefined) expect({ step: one, ok: actual }).toEqual({ step: one, ok: expected });
        apply(model, one, expected === true, now);
      }

      const state = (await session().inspect())!.state;
      expect(state.status).toBe(model.status);
      if (state.status === "ended") expect(state.how).toBe(model.how);
      await verifyChain(session(), id, model.minted);

      async function take(one: Step): Promise<boolean | undefined> {
        switch (one.do) {
          case "approve": {
            const narrowing = { authorization_details: access("read"), expires_at: now + one.seconds };
            const drafted = await session().draft(DANA, narrowing);
            return drafted.ok
              ? (await session().approve(DANA, { ...narrowing, digest: drafted.value.digest })).ok
              : false;
          }
          case "deny":
            return (await session().deny(DANA, digestOf(request))).ok;
          case "poll":
            vi.setSystemTime((now += 10) * 1000);
            if (model.status !== "ended" && now >= model.end) Object.assign(model, { status: "ended", how: "expired" });
            return (await pollSession(id, `tok_${(minted += 1)}`)).ok;
          case "exchange":
            return (
              await session().exchange({
                token: { jti: "tok_session" },
                proof: freshProof(),
                standing: STANDING,
                mint: { jti: `tok_${(minted += 1)}`, jkt: "key" },
                ask: {
                  subject: { kind: "session" },
                  exchanger: { kind: "agent" },
                  target: { kind: "upstream", id: "api", audience: `${ISSUER}/proxy/api` },
                },
              })
            ).ok;
          case "finish":
            return (await session().finish("bot", freshProof())).ok;
          case "withdraw":
            return (await session().withdraw("bot")).ok;
          case "revoke":
            return (await session().revoke({ kind: "operator" })) === "revoked";
          case "evict":
            // Only an object that runs can be evicted.
            await session().inspect();
            await evictDurableObject(session());
            return undefined;
          case "alarm":
            await runInDurableObject(session(), (instance: Session) => instance.alarm());
            return undefined;
          case "tick":
            return undefined;
        }
      }
    }),
    { numRuns: RUNS },
  );
}, 60_000);

/** Whether a step should succeed; undefined where it has no outcome of its own, or takes time itself. */
function expectation(model: Model, one: Step): boolean | undefined {
  switch (one.do) {
    case "approve":
      return model.status === "pending" && one.seconds <= 600;
    case "deny":
    case "withdraw":
      return model.status === "pending";
    case "exchange":
      return model.status === "active" && model.redeemed;
    case "finish":
    case "revoke":
      return model.status !== "ended";
    default:
      return undefined;
  }
}

function apply(model: Model, one: Step, ok: boolean, now: number): void {
  if (one.do === "approve" && ok) Object.assign(model, { status: "active", end: now + one.seconds });
  if (one.do === "deny" && ok) Object.assign(model, { status: "ended", how: "denied" });
  if (one.do === "withdraw" && ok) Object.assign(model, { status: "ended", how: "withdrawn" });
  if (one.do === "finish" && ok)
    Object.assign(model, { status: "ended", how: model.status === "pending" ? "withdrawn" : "completed" });
  if (one.do === "revoke" && ok) Object.assign(model, { status: "ended", how: "revoked" });
  if (one.do === "exchange" && ok) model.minted += 1;
  if (one.do === "poll" && model.status === "active" && !model.redeemed)
    Object.assign(model, { redeemed: true, minted: model.minted + 1 });
}

/** Every event in its place, in the object or already in the ledger, and one for every token. */
async function verifyChain(session: DurableObjectStub<Session>, id: string, minted: number): Promise<void> {
  await runInDurableObject(session, (instance: Session) => instance.alarm());
  const ledger = env.LEDGER.getByName(objectName(ISSUER));
  const rows = [];
  for (let page = await ledger.read(0); page.length > 0; page = await ledger.read(page.at(-1)!.n)) rows.push(...page);
  let previous = "";
  let seq = 0;
  for (const row of rows.filter(({ source }) => source === id)) {
    expect(row.seq).toBe((seq += 1));
    expect(row.hash).toBe(sha256(eventDigestInput(id, row, previous)));
    previous = row.hash;
  }
  expect(rows.filter(({ source, type }) => source === id && type === "token.minted")).toHaveLength(minted);
}
