/** The proxy in the soak: as built for the image, with short intervals. */
import { mkdtemp } from "node:fs/promises"
import { join } from "node:path"
import { imageEnvironment, type RunningProxy, sandboxEnvironment, startProxy } from "@cscs/harness"
import type { Sandbox } from "@cscs/sandbox"
import { callTimeout, emptyGuard, freshFor, fullRefreshEvery, keepWarmFor, staleIfError } from "./pace.ts"

/**
 * Starts the proxy at `main` against the sandbox, with the image's environment; calls `onLine` with each line of its
 * log.
 */
export const startSoakedProxy = async (about: {
  readonly main: string
  readonly folder: string
  readonly sandbox: Sandbox
  readonly onLine: (line: string) => void
}): Promise<RunningProxy> =>
  startProxy({
    main: about.main,
    directory: await mkdtemp(join(about.folder, "proxy-")),
    onLine: about.onLine,
    environment: {
      ...(await imageEnvironment()),
      ...sandboxEnvironment(about.sandbox),
      WALDUR_TIMEOUT: `${callTimeout}ms`,
      HPC_USER_API_TIMEOUT: `${callTimeout}ms`,
      CACHE_FRESH_FOR: `${freshFor}ms`,
      CACHE_STALE_IF_ERROR: `${staleIfError}ms`,
      CACHE_FULL_REFRESH_EVERY: `${fullRefreshEvery}ms`,
      CACHE_EMPTY_GUARD: `${emptyGuard}ms`,
      CACHE_KEEP_WARM_FOR: `${keepWarmFor}ms`,
    },
  })
