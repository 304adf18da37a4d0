import { Layout } from "./layout.tsx";

/** An authorization request that cannot even be refused to its client, for nobody knows where that is. */
export function AuthorizeRefused({ error, description }: { error: string; description: string }) {
  return (
    <Layout title="Not possible">
      <section class="card outcome warn" aria-labelledby="refused">
        <h1 id="refused">This request cannot be answered</h1>
        <p>{description}</p>
        <p>
          Nothing was granted, and you were not sent back, for that could have led anywhere. Go back to the program that
          sent you here and start again.
        </p>
        <p class="digest">
          For its developers: <code>{error}</code>
        </p>
      </section>
    </Layout>
  );
}
