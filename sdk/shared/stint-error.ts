/** The most that is read of an answer by Stint, or by whoever claims to be an authorization server. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** A refusal, in the words of whoever refused: an OAuth error, its description, the HTTP status. */
export class StintError extends Error {
  /** The error code, such as `access_denied` or `invalid_grant`. */
  readonly code: string;
  /** Of the answer; 0 where there was none worth reading. */
  readonly status: number;

  constructor(code: string, description: string, status: number) {
    super(description);
    this.name = "StintError";
    this.code = code;
    this.status = status;
  }
}

/** The refusal in an answer, whatever its body. */
export async function refusalIn(response: Response): Promise<StintError> {
  const body = await readJson(response);
  const { error, error_description: description } = body;
  return new StintError(
    typeof error === "string" ? error : "server_error",
    typeof description === "string" ? description : `the answer was ${response.status}`,
    response.status,
  );
}

/** The JSON object in an answer; empty when there is none, or more than anybody has reason to say. */
export async function readJson(response: Response): Promise<Record<string, unknown>> {
  try {
    const body: unknown = JSON.parse((await readText(response)) ?? "");
    return typeof body === "object" && body !== null ? { ...body } : {};
  } catch {
    return {};
  }
}

async function readText({ body }: Response): Promise<string | undefined> {
  if (body === null) return undefined;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; ;) {
    const { done, value } = (await reader.read()) as ReadableStreamReadResult<Uint8Array>;
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > MAX_ANSWER_BYTES) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}
