import { defineConfig } from "vitest/config"

// Real sockets: a busy machine makes them slow, and no test waits for time to pass.
export default defineConfig({ test: { testTimeout: 20_000 } })
