import { defineConfig, type ViteUserConfig } from "vitest/config"

/**
 * How every workspace is tested. By default what lies in test/ and needs Node alone; a suite that needs more (Redis, Java)
 * lies in a folder beside it and has a configuration and a command of its own. No test waits for time to pass, so a long
 * limit only spares a busy machine.
 *
 * With `isolate: false` the files of a suite share a process, if nothing of ours is global in them: otherwise each imports
 * Effect anew, which takes as long as the tests.
 */
export const testing = (options: ViteUserConfig["test"] = {}) =>
  defineConfig({ test: { include: ["test/**/*.test.ts"], testTimeout: 300_000, hookTimeout: 300_000, ...options } })

/** For workspaces without a configuration of their own. */
export default testing()
