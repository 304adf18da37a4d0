import { Hono } from "hono";
import { cleanAgentText, COMMENT_LIMITS } from "../domain/agent-text.ts";
import { judgeBreakGlass, type BreakGlassFault } from "../domain/break-glass.ts";
import { isSessionId } from "../domain/ids.ts";
import type { BreakGlassConflict } from "../domain/session.ts";
import type { ClaimFault } from "../durable/glass-store.ts";
import { readMembers } from "../protocol/body.ts";
import { invalidRequest, renderError, type WireError } from "../protocol/wire-error.ts";
import { NOT_FOUND } from "./admin-request.ts";
import { nowSeconds, type App } from "./http.ts";
import { sessionObject, tenantObject } from "./objects.ts";

/**
 * An admin decides a waiting request alone. The answer is that admin's own link: they still have to
 * sign the grant with their passkey, so that holding the admin token alone approves nothing.
 */
export const adminBreakGlass = new Hono<App>()
  .get("/admin/break-glass", async (c) => c.json({ uses: await tenantObject(c.env, c.var.tenant.issuer).glassUses() }))
  .post("/admin/break-glass", async (c) => {
    const body = await readMembers(c.req.raw, ["session_id", "person", "reason"]);
    if (!body.ok) return renderError(body.error);
    const { session_id, person, reason } = body.value;
    if (typeof session_id !== "string" || typeof person !== "string" || typeof reason !== "string")
      return renderError(invalidRequest("session_id, person and reason must be texts"));
    const said = cleanAgentText(reason, COMMENT_LIMITS);
    if (said === "") return renderError(invalidRequest("reason must say why"));
    if (!isSessionId(session_id)) return renderError(NOT_FOUND);

    const { issuer, tenant } = c.var.tenant;
    const session = sessionObject(c.env, issuer, session_id);
    const described = await session.inspect();
    if (described === undefined) return renderError(NOT_FOUND);
    const { request, plan, status, request_expires_at } = described.state;
    const judged = judgeBreakGlass(tenant, person, plan, request);
    if (!judged.ok) {
      await session.refuse(`glass_${judged.error}`, { person });
      return renderError(refusal(judged.error));
    }
    if (status !== "pending") return renderError(refusal("not_pending"));

    // Written down first: what is claimed and then fails is reviewed like any other.
    const { reviewSeconds, longestSeconds } = judged.value;
    const at = nowSeconds();
    const claim = { session_id, client_id: request.client_id, person, reason: said, at, review_by: at + reviewSeconds };
    const claimed = await tenantObject(c.env, issuer).claimGlass(claim);
    if (!claimed.ok) {
      await session.refuse(`glass_${claimed.error}`, { person });
      return renderError(refusal(claimed.error));
    }
    const broken = await session.breakGlass({ person, reason: said, at });
    if (!broken.ok) return renderError(refusal(broken.error));
    const { link } = broken.value;
    return c.json({
      link,
      expires_at: request_expires_at,
      longest_seconds: longestSeconds,
      review_by: claim.review_by,
    });
  });

function refusal(fault: BreakGlassFault | ClaimFault | BreakGlassConflict): WireError {
  switch (fault) {
    case "not_enabled":
      return denied("the tenant document has no break_glass");
    case "not_an_admin":
      return denied("only a person whose roles hold admin can break the glass");
    case "own_request":
      return denied("nobody breaks the glass for an agent that is theirs, or that works for them");
    case "browser_only":
      return denied("only the human at the browser that asks can approve this request");
    case "step_up":
      return denied("a session that goes on already gets no more this way; the agent can ask for one of its own");
    case "no_reviewer":
      return denied("nobody else was asked who could review it");
    case "review_overdue":
      return denied("an earlier use of this admin still waits for its review; stint break-glass list shows it");
    case "broken_already":
      return { status: 409, error: "invalid_request", description: "another admin has broken the glass for it" };
    case "not_pending":
      return { status: 409, error: "invalid_request", description: "the request does not wait any more" };
  }
}

function denied(description: string): WireError {
  return { status: 403, error: "access_denied", description };
}
