import { defineConfig, type ViteUserConfig } from "vitest/config"

/** How every workspace is tested. No test waits for time to pass, so a long limit only spares a busy machine. */
export const testing = (options: ViteUserConfig["test"] = {}) =>
  defineConfig({ test: { testTimeout: 60_000, hookTimeout: 60_000, ...options } })
