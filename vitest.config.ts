import { availableParallelism } from "node:os";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Fixed 32-byte keys, for tests alone. */
const KEK = "dGVzdC1rZWstdGVzdC1rZWstdGVzdC1rZWstdGVzdC0";
const ADMIN_KEY = "YWRtaW4ta2V5LWFkbWluLWtleS1hZG1pbi1rZXktYWQ";

/** Longer than anything takes on a machine that is busy with something else: only what hangs is too slow. */
const PATIENCE = { testTimeout: 120_000, hookTimeout: 120_000 };

/**
 * Files at once. Half of a test's time over HTTP it waits for processes and messages, so two processors
 * serve four; Vitest's own choice would be one less than there are processors.
 */
const MAX_WORKERS = Math.max(4, availableParallelism() - 1);

export default defineConfig({
  test: {
    maxWorkers: MAX_WORKERS,
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
          ...PATIENCE,
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
          ...PATIENCE,
        },
      },
      {
        // A real `stint serve`, over HTTP only.
        test: {
          name: "http",
          include: ["test/**/*.test.ts"],
          exclude: ["test/workerd/**", "test/threats-table.test.ts"],
          globalSetup: ["test/support/build.ts"],
          ...PATIENCE,
        },
      },
    ],
  },
});
