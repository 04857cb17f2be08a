/** The inputs of every measurement, and the proxy as it is measured. */
import { mkdir, mkdtemp, symlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { cpuSecondsOf, hasEnded, imageEnvironment, parseLogLine, type RunningProxy, startProxy } from "@cscs/harness"
import { onServerCore } from "./cores.ts"
import type { Helper } from "./helpers.ts"
import type { SandboxCommands } from "./sandbox-process.ts"
import { firstResponse, pageOf100 } from "./storage-list.ts"

/** A run over a world of one size. */
export interface Bench {
  readonly resources: number
  /** The script of the built proxy. */
  readonly main: string
  readonly folder: string
  /** The proxy's settings for the sandbox, authentication on. */
  readonly environment: Readonly<Record<string, string>>
  /** Waldur's token of a user that sees what other versions read: the consumer's list, and customers. */
  readonly staffToken: string
  /** The header of a caller with a valid JWT. */
  readonly bearer: { readonly Authorization: string }
  readonly sandbox: Helper<SandboxCommands>["commands"]
  /** Whether repetitions are few, for a smoke test. */
  readonly quick: boolean
  /** Figures of other sizes, to compare with. */
  readonly earlier: Map<string, number>
  /** A folder with programs that start other versions. */
  readonly peers: string | undefined
  /** Where CPU profiles are written. */
  readonly profile: string | undefined
  /** Adds a row to the question's table, after its first cell. */
  readonly row: (...cells: ReadonlyArray<string>) => void
  /** Adds a target for this size, and the result. */
  readonly target: (wanted: string, met: boolean, found: string) => void
}

/** No further upstream calls unless requested, however long a measurement takes. */
export const freshForLong = { CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "1h" }

/**
 * `npx`: the package's executable through a link, without the image's variables. `image`: the script itself, which is the
 * image's entry point, with them.
 */
export type LaunchMode = "npx" | "image"

export interface BenchedProxy extends RunningProxy {
  /** Milliseconds of every refresh in the log so far. */
  readonly refreshes: ReadonlyArray<number>
}

/** Starts a proxy and passes it to `use` after its first response. It always ends. */
export const withProxy = async <A>(
  { main, folder, environment, profile, bearer }: Bench,
  settings: Readonly<Record<string, string>>,
  use: (running: BenchedProxy) => Promise<A>,
  mode: LaunchMode = "npx",
  place = onServerCore,
): Promise<A> => {
  const directory = await mkdtemp(join(folder, "proxy-"))
  const link = join(directory, ".bin", "storage-proxy")
  await mkdir(dirname(link))
  await symlink(main, link)
  const refreshes: Array<number> = []
  const running = await startProxy({
    command: place(mode === "npx" ? link : main),
    directory,
    environment: {
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      // Compiled code is kept there, if the image does not prevent it.
      HOME: mode === "image" ? "/" : folder,
      NODE_DISABLE_COMPILE_CACHE: undefined,
      ...(mode === "image" ? await imageEnvironment() : {}),
      ...(profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
      ...environment,
      ...settings,
    },
    logKept: 20_000,
    onLine: (text) => {
      // Under load most lines are request lines, which are not parsed.
      if (text.includes('"snapshot-taken"')) refreshes.push(Number(parseLogLine(text)?.annotations.milliseconds))
    },
  })
  try {
    await firstResponse(running.url + pageOf100, bearer, () => hasEnded(running.child))
    return await use({ ...running, refreshes })
  } finally {
    await running.stop()
  }
}

/** Milliseconds after a response in which its remaining work is counted too: garbage, log, kept copies. */
const settles = 300

/** Milliseconds that `act` takes, and processor time of the process for it and what follows from it. */
export const costOf = async (pid: number, act: () => Promise<unknown>) => {
  const before = cpuSecondsOf(pid)
  const begin = performance.now()
  await act()
  const took = performance.now() - begin
  await pause(settles)
  return { took, cpu: (cpuSecondsOf(pid) - before) * 1000 }
}
