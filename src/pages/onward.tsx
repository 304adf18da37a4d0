import { Layout } from "./layout.tsx";

export interface OnwardProps {
  readonly heading: string;
  /** Where the page posts, by itself where scripts run. */
  readonly action: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** A step on the way: opening it changes nothing, so whatever it leads to is posted from here. */
export function Onward({ heading, action, fields = {} }: OnwardProps) {
  return (
    <Layout title={heading}>
      <form id="onward" class="card" method="post" action={action} autocomplete="off">
        <h1>{heading}</h1>
        {Object.entries(fields).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <button type="submit">Continue</button>
      </form>
    </Layout>
  );
}
