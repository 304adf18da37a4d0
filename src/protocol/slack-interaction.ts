import * as z from "zod/v4";
import { equalsConstantTime, signSlack } from "../crypto/hash.ts";
import { isSessionId } from "../domain/ids.ts";
import { err, ok, type Result } from "../domain/result.ts";
import { parseStrictJson } from "../domain/strict-json.ts";
import { SLACK_DENY_ACTION } from "../domain/tenant.ts";
import { parseForm, readFormText } from "./body.ts";
import { invalidRequest, type WireError } from "./wire-error.ts";

/** How far Slack's clock may be from ours; what it signed before that could be somebody's copy. */
const TOLERANCE_SECONDS = 300;

/** Somebody pressed Deny. Who, is Slack's word for it. */
export interface SlackDenial {
  /** Slack's id of the member. */
  readonly user: string;
  readonly sessionId: string;
}

const pressed = z.object({
  type: z.literal("block_actions"),
  team: z.object({ id: z.string() }),
  user: z.object({ id: z.string().min(1).max(40), team_id: z.string() }),
  actions: z.array(z.object({ type: z.string(), action_id: z.string(), value: z.string().optional() })).length(1),
});

const UNSIGNED: WireError = {
  status: 401,
  error: "invalid_signature",
  description: "this was not signed by Slack for this app, or not within five minutes",
};

/**
 * Reads what Slack posts when somebody presses a button of ours.
 *
 * @param now epoch seconds
 * @returns undefined for what Slack tells and Stint has no use for, such as that a link was opened
 * @see https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
export async function readSlackInteraction(
  request: Request,
  { signingSecret, teamId, now }: { readonly signingSecret: string; readonly teamId: string; readonly now: number },
): Promise<Result<SlackDenial | undefined, WireError>> {
  const text = await readFormText(request);
  if (!text.ok) return text;
  if (!isSigned(request.headers, text.value, signingSecret, now)) return err(UNSIGNED);
  const form = parseForm(text.value);
  if (!form.ok) return form;
  const payload = parseStrictJson(form.value.get("payload") ?? "");
  if (!payload.ok) return err(invalidRequest("payload must be a JSON object"));
  const { data } = pressed.safeParse(payload.value);
  const [action] = data?.actions ?? [];
  if (data === undefined || action?.type !== "button" || action.action_id !== SLACK_DENY_ACTION) return ok(undefined);
  // A guest of another workspace can be in a channel of this one, and a press there is signed all the same.
  if (data.team.id !== teamId || data.user.team_id !== teamId)
    return err({ status: 403, error: "access_denied", description: "this workspace does not decide here" });
  const { value = "" } = action;
  return isSessionId(value)
    ? ok({ user: data.user.id, sessionId: value })
    : err(invalidRequest("the button names no session"));
}

function isSigned(headers: Headers, body: string, secret: string, now: number): boolean {
  const timestamp = headers.get("x-slack-request-timestamp") ?? "";
  if (!/^[0-9]{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const expected = `v0=${signSlack(secret, `v0:${timestamp}:${body}`)}`;
  return equalsConstantTime(headers.get("x-slack-signature") ?? "", expected);
}
