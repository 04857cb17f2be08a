/** The benchmark's helper processes: the sandbox and the bare server, each on its side of the machine. */
import { fork } from "node:child_process"
import { constants, setPriority } from "node:os"
import { end, watch } from "@cscs/harness"
import { createBirpc } from "birpc"
import { onServerCore } from "./cores.ts"

/** A helper process, as the benchmark sees it. */
export type Helper<Commands extends object> = ReturnType<typeof startHelper<Commands>>

/** Starts a helper: a module that calls `serveCommands`. */
export const startHelper = <Commands extends object>(module: URL, isMeasured = false) => {
  const [execPath, ...execArgv] = isMeasured ? onServerCore(process.execPath) : [process.execPath]
  const env = { PATH: process.env.PATH, NODE_ENV: "production" }
  const child = watch(fork(module, { serialization: "advanced", execPath, execArgv, env }))
  // A load generator on the same core goes first, or its own delays would be part of the latencies.
  if (!isMeasured && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
  const commands = createBirpc<Commands>(
    {},
    // No timeout: measurements take arbitrarily long.
    { post: (data) => child.send(data), on: (receive) => child.on("message", receive), timeout: -1 },
  )
  child.once("exit", (code, signal) => commands.$close(new Error(`${module.pathname} ended (${code ?? signal})`)))
  return { pid: child.pid ?? 0, commands, end: () => end(child) }
}

/** The helper's side: runs commands until the benchmark is gone, then ends. */
export const serveCommands = (commands: Record<string, unknown>): void => {
  createBirpc<object>(commands, {
    post: (data) => process.send?.(data),
    on: (receive) => process.on("message", receive),
  })
  // Also if the benchmark was killed.
  process.once("disconnect", () => process.exit(0))
  // Ctrl+C reaches the whole group; the benchmark decides when its helpers end.
  process.on("SIGINT", () => {})
}
