/** The inputs of every measurement. */
import type { BuiltProxy } from "@cscs/harness"
import type { Helper } from "./helpers.ts"
import type { LoadCommands } from "./load-process.ts"
import { type BenchedProxy, startBenchedProxy } from "./proxy-process.ts"
import type { Distance, SandboxCommands } from "./sandbox-process.ts"
import { firstAnswer, pageOf100 } from "./storage-list.ts"

/** Durations and repetitions. */
export interface Effort {
  /** Cold starts of each kind. */
  readonly coldStarts: (resources: number) => number
  /** Rounds that alternate between the proxy and the bare server. */
  readonly rounds: number
  readonly roundSeconds: number
  /** Under load while refreshes run. */
  readonly refreshSeconds: (resources: number) => number
  /** Changes of each kind. */
  readonly changes: number
  readonly lightRefreshes: number
  readonly fullRefreshes: number
}

/** A run over a world of one size. */
export interface Bench {
  readonly resources: number
  readonly proxy: BuiltProxy
  readonly folder: string
  /** The proxy's settings for the sandbox. */
  readonly environment: Readonly<Record<string, string>>
  readonly sandbox: Helper<SandboxCommands>
  readonly load: Helper<LoadCommands>
  readonly effort: Effort
  readonly say: (text: string) => void
}

export const near: Distance = { latencyMs: 0, realPace: false }

/** No further upstream calls, however long a measurement takes. */
export const freshForLong = { CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "1h" }

/** Starts a proxy against the bench's sandbox and passes it to `use` after its first response. It always ends. */
export const withProxy = async <A>(
  { proxy, folder, environment }: Bench,
  settings: Readonly<Record<string, string>>,
  use: (running: BenchedProxy) => Promise<A>,
): Promise<A> => {
  const running = await startBenchedProxy({ main: proxy.main, folder, environment, settings })
  try {
    await firstAnswer(`${running.url}${pageOf100}`)
    return await use(running)
  } finally {
    await running.stop()
  }
}
