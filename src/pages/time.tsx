/** A moment, in UTC; the script puts it into the reader's zone. */
export function Moment({ at }: { at: number }) {
  const iso = new Date(at * 1000).toISOString();
  return <time datetime={iso}>{`${iso.slice(0, 16).replace("T", " ")} UTC`}</time>;
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
