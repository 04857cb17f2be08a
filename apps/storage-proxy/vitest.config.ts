import { defineConfig } from "vitest/config"

// The work is in processes of their own, so the test files wait side by side; on a busy machine each takes seconds.
export default defineConfig({ test: { testTimeout: 30_000, maxWorkers: 3 } })
