/** What may stand in an event beside its data: of any other character some readers make an end of the line. */
const PLAIN = /^[\x20-\x7E]{0,256}$/;
const FIELDS = ["event", "id", "retry"] as const;

/** A server-sent event; one without any field is a comment, by which a stream is kept open. */
export interface ServerEvent {
  readonly event?: string;
  readonly id?: string;
  readonly retry?: string;
  readonly data?: string;
}

/** Reads server-sent events as they arrive, wherever the pieces are cut (HTML §9.2.6). */
export class EventReader {
  #rest = "";
  #lines: string[] = [];
  #linesLength = 0;
  #endedInReturn = false;

  /** How much of what arrived is no whole event yet, in UTF-16 units. */
  get pendingLength(): number {
    return this.#rest.length + this.#linesLength;
  }

  /** Takes the next text; answers the events that it completes. */
  push(text: string): ServerEvent[] {
    // A line may end in CR, in LF, or in both of them, which may arrive apart.
    const fresh = this.#endedInReturn && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#endedInReturn = text.endsWith("\r");
    const lines = fresh.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0]!;
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => this.#take(line));
  }

  /** Nothing follows: answers the event that nothing ended, because some readers take it all the same. */
  end(): ServerEvent[] {
    const line = this.#rest;
    this.#rest = "";
    return [line, ""].flatMap((last) => this.#take(last));
  }

  #take(line: string): ServerEvent[] {
    if (line.startsWith(":")) return [{}];
    if (line !== "") {
      this.#lines.push(line);
      this.#linesLength += line.length;
      return [];
    }
    const lines = this.#lines;
    this.#lines = [];
    this.#linesLength = 0;
    return lines.length === 0 ? [] : [eventOf(lines)];
  }
}

/** An event as every reader reads it, whatever it stood in before. */
export function renderEvent(event: ServerEvent): string {
  const fields = FIELDS.flatMap((name) => (event[name] === undefined ? [] : [`${name}: ${event[name]}`]));
  const data = event.data === undefined ? [] : event.data.split("\n").map((line) => `data: ${line}`);
  const lines = [...fields, ...data];
  return `${lines.length === 0 ? ":" : lines.join("\n")}\n\n`;
}

function eventOf(lines: readonly string[]): ServerEvent {
  const fields = lines.map((line) => /^([^:]*)(?:: ?(.*))?$/su.exec(line)?.slice(1) ?? []);
  const last = (name: string): string | undefined => fields.findLast(([field]) => field === name)?.[1];
  const data = fields.filter(([name]) => name === "data").map(([, value]) => value ?? "");
  const known = FIELDS.flatMap((name) => {
    const value = last(name);
    return value !== undefined && PLAIN.test(value) ? [[name, value] as const] : [];
  });
  return { ...Object.fromEntries(known), ...(data.length === 0 ? {} : { data: data.join("\n") }) };
}
