/** A moment, in UTC; the script puts it into the reader's zone, and names that. */
export function Moment({ at, seconds = false }: { at: number; seconds?: boolean }) {
  const iso = new Date(at * 1000).toISOString();
  return (
    <time datetime={iso} {...(seconds ? { "data-seconds": "" } : {})}>
      {`${iso.slice(0, seconds ? 19 : 16).replace("T", " ")} UTC`}
    </time>
  );
}

/** A moment that is waited for; the script adds how long it is until then. */
export function Countdown({ at }: { at: number }) {
  const iso = new Date(at * 1000).toISOString();
  return (
    <time datetime={iso} data-countdown="">
      {`at ${iso.slice(11, 16)} UTC`}
    </time>
  );
}
