import { defineConfig, type ViteUserConfig } from "vitest/config"

/**
 * How every workspace is tested. The default is the suite in test/, which needs only Node; a suite that needs more (Redis, Java)
 * has a folder beside it, and a configuration and a command of its own. No test waits for time to pass: the limits are long
 * for a busy machine.
 *
 * With `isolate: false` the files of a suite share a process, if nothing of ours is global in them: otherwise each imports
 * Effect anew, which takes as long as the tests.
 */
export const testing = (options: ViteUserConfig["test"] = {}) =>
  defineConfig({ test: { include: ["test/**/*.test.ts"], testTimeout: 300_000, hookTimeout: 300_000, ...options } })

/** For workspaces without a configuration of their own. */
export default testing()
