/**
 * Starts the storage proxy as a process. The demo, the tools and the tests start it only through this module.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseLogLine } from "./log-line.ts"
import { end, signal, watch } from "./processes.ts"
import { until } from "./until.ts"

/** The maximum start time in milliseconds: machines in CI are busy. */
const startWithin = 120_000
/**
 * Milliseconds from a stop signal until the process is killed: open requests have ten seconds, and writing a CPU profile
 * takes some.
 */
const stopWithin = 60_000

const sources = fileURLToPath(new URL("../../../apps/storage-proxy/src/main.ts", import.meta.url))

export interface ProxyOptions {
  /** The entry point; default: the sources'. */
  readonly main?: string
  /** A program and its first arguments, instead of Node and the entry point. */
  readonly command?: readonly [program: string, ...args: ReadonlyArray<string>]
  /** Arguments of the proxy; for `startProxy`, those after `serve --port 0`. */
  readonly args?: ReadonlyArray<string>
  /**
   * The whole environment except PATH: nothing else is inherited, because this process may have variables of the proxy.
   * The compile cache is off, because each build of a test would leave its own in the user's home directory.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly directory?: string
  readonly user?: { readonly uid?: number; readonly gid?: number }
  /** Whether the process gets its own process group, which `signal` then reaches like a terminal's Ctrl+C. */
  readonly hasGroup?: boolean
  /** Called with each line of the log. */
  readonly onLine?: (text: string) => void
  /**
   * How many of the log's newest characters `stderr` keeps; default all. Under load the log grows by megabytes per
   * second.
   */
  readonly logKept?: number
}

/** A process of the proxy, with any subcommand. */
export type SpawnedProxy = ReturnType<typeof spawnProxy>

/** A process that runs `serve`. */
export interface RunningProxy extends SpawnedProxy {
  /** Without a trailing slash. */
  readonly url: string
}

/** The command line: this Node, the flags in the entry point's shebang line, and the entry point. */
export const executable = (main: string = sources): readonly [string, ...Array<string>] => {
  const [, flags = ""] = /^#!\S+ -S node (.*)/.exec(readFileSync(main, "utf8")) ?? []
  return [process.execPath, ...flags.split(" ").filter((flag) => flag !== ""), main]
}

/** Spawns the proxy with any subcommand. */
export const spawnProxy = (options: ProxyOptions) => {
  const { main, args = [], environment, directory, user, hasGroup = false, onLine, logKept } = options
  const [program, ...first] = options.command ?? executable(main)
  const spawnedAt = performance.now()
  const child = watch(
    spawn(program, [...first, ...args], {
      ...user,
      ...(directory === undefined ? {} : { cwd: directory }),
      env: { PATH: process.env.PATH, NODE_DISABLE_COMPILE_CACHE: "1", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      detached: hasGroup,
    }),
    hasGroup ? "group" : "alone",
  )
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
    if (logKept !== undefined && stderr.length > 2 * logKept) stderr = stderr.slice(-logKept)
  })
  if (onLine !== undefined) createInterface({ input: child.stderr }).on("line", onLine)
  // "close", not "exit": only then has all output been read.
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string)
  // The caller that awaits it handles the error.
  ended.catch(() => {})
  return {
    child: child as ChildProcess,
    pid: child.pid ?? 0,
    /** Time of the spawn, by `performance.now()`. */
    spawnedAt,
    stdout: () => stdout,
    stderr: () => stderr,
    /** The exit code, or the signal that ended the process; resolves once all output has been read. */
    ended,
    signal: (name: NodeJS.Signals) => signal(child, name),
    /** Sends a signal, and kills the process after a minute; resolves like `ended`. */
    stop: (name: NodeJS.Signals = "SIGTERM") => {
      signal(child, name)
      const timer = setTimeout(signal, stopWithin, child, "SIGKILL")
      return ended.finally(() => clearTimeout(timer))
    },
  }
}

/**
 * Starts `serve` on a free port, or on the one in `args`; resolves when the log contains the event `listening` and, with
 * `isReady`, when the proxy is ready.
 *
 * @throws with the end of the log if the proxy ends first, or does not start within two minutes
 */
export const startProxy = async (options: ProxyOptions & { readonly isReady?: boolean }): Promise<RunningProxy> => {
  const { args = [] } = options
  let url: string | undefined
  let failure: unknown
  const running = spawnProxy({
    ...options,
    args: ["serve", ...(args.includes("--port") ? [] : ["--port", "0"]), ...args],
    onLine: (text) => {
      const { event, annotations } = parseLogLine(text) ?? {}
      if (event === "listening") url ??= String(annotations?.url)
      options.onLine?.(text)
    },
  })
  const hasFailed = (error: unknown) => {
    failure = error
  }
  running.ended.then((code) => hasFailed(new Error(`it ended with ${code}`)), hasFailed)
  const started = async () => {
    if (failure !== undefined) throw failure
    if (url === undefined || !options.isReady) return url
    const ready = await fetch(`${url}/healthz/ready`)
    await ready.body?.cancel()
    return ready.ok ? url : undefined
  }
  try {
    return { ...running, url: await until("the proxy has started", started, startWithin) }
  } catch (error) {
    running.signal("SIGKILL")
    await end(running.child)
    throw new Error(`${error instanceof Error ? error.message : error}\n${running.stderr().slice(-3000)}`)
  }
}
