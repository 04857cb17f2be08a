/** The proxy as a process whose every line of the log is read. */
import { spawn } from "node:child_process"
import { mkdtemp } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { end, environmentOf, hasEnded, sandboxEnvironment, stagesOf, watch } from "@cscs/harness"
import type { Sandbox } from "@cscs/sandbox"
import { callTimeout, emptyGuard, freshFor, fullRefreshEvery, keepWarmFor, staleIfError } from "./pace.ts"

export interface SoakedProxy {
  readonly pid: number
  /** Without a slash at the end. */
  readonly origin: string
  /** Whether it ended though nobody had asked it to. */
  readonly hasFallen: () => boolean
  readonly end: () => Promise<void>
}

const dockerfile = fileURLToPath(new URL("../../../deploy/Dockerfile", import.meta.url))

/** Starts the proxy against the sandbox, with the image's environment; resolves when it says where it listens. */
export const startSoakedProxy = async (about: {
  readonly main: string
  readonly folder: string
  readonly sandbox: Sandbox
  readonly onLine: (line: string) => void
}): Promise<SoakedProxy> => {
  const { sandbox, onLine } = about
  const child = watch(
    spawn(process.execPath, [about.main, "serve", "--port", "0"], {
      cwd: await mkdtemp(join(about.folder, "proxy-")),
      stdio: ["ignore", "ignore", "pipe"],
      // Nothing of this shell's: no proxy, no setting by accident.
      env: {
        PATH: process.env.PATH,
        ...environmentOf((await stagesOf(dockerfile)).at(-1) ?? []),
        ...sandboxEnvironment(sandbox),
        WALDUR_TIMEOUT: `${callTimeout}ms`,
        HPC_USER_API_TIMEOUT: `${callTimeout}ms`,
        CACHE_FRESH_FOR: `${freshFor}ms`,
        CACHE_STALE_IF_ERROR: `${staleIfError}ms`,
        CACHE_FULL_REFRESH_EVERY: `${fullRefreshEvery}ms`,
        CACHE_EMPTY_GUARD: `${emptyGuard}ms`,
        CACHE_KEEP_WARM_FOR: `${keepWarmFor}ms`,
      },
    }),
  )
  let isEnding = false
  const origin = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      onLine(line)
      const address = /Serving at (http:\/\/[^\s"\\]+)/.exec(line)?.[1]
      if (address !== undefined) resolve(address)
    })
    child.once("error", reject)
    child.once("exit", (code, signal) => reject(new Error(`The proxy ended (${code ?? signal})`)))
  })
  return {
    pid: child.pid ?? 0,
    origin,
    hasFallen: () => !isEnding && hasEnded(child),
    end: async () => {
      isEnding = true
      await end(child, 30_000)
    },
  }
}
