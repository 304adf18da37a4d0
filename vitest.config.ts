import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Fixed 32-byte keys, for tests alone. */
const KEK = "dGVzdC1rZWstdGVzdC1rZWstdGVzdC1rZWstdGVzdC0";
const ADMIN_KEY = "YWRtaW4ta2V5LWFkbWluLWtleS1hZG1pbi1rZXktYWQ";

/** A real broker and its emulators take a moment to start. */
const HTTP_TIMEOUT_MS = 60_000;

export default defineConfig({
  test: {
    projects: [
      {
        // Pure code, where it sits.
        test: {
          name: "unit",
          include: [
            "src/*.test.ts",
            "src/{domain,protocol,crypto,catalogues,pages}/**/*.test.{ts,tsx}",
            "{bench,cli,sdk}/**/*.test.ts",
            "test/threats-table.test.ts",
          ],
        },
      },
      {
        // Objects in real workerd.
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              bindings: {
                STINT_KEK: KEK,
                STINT_ADMIN_KEY: ADMIN_KEY,
                STINT_ORIGINS: "https://a.test https://b.test",
                STINT_ENV_SECRETS: "{}",
                STINT_ALLOW_PRIVATE_NETWORK: "false",
              },
            },
          }),
        ],
        test: {
          name: "workers",
          include: [
            "src/{durable,routes,connectors,notify}/**/*.test.ts",
            "test/workerd/**/*.test.ts",
            "sdk/**/*.test.ts",
          ],
        },
      },
      {
        // A real `stint serve`, over HTTP only.
        test: {
          name: "http",
          include: ["test/**/*.test.ts"],
          exclude: ["test/workerd/**", "test/threats-table.test.ts"],
          globalSetup: ["test/support/build.ts"],
          testTimeout: HTTP_TIMEOUT_MS,
          hookTimeout: HTTP_TIMEOUT_MS,
        },
      },
    ],
  },
});
