/** The benchmark's helper processes: the sandbox and the bare server, each on its side of the machine. */
import { fork } from "node:child_process"
import { end, watch } from "@cscs/harness"
import { createBirpc } from "birpc"
import { onServerCore } from "./cores.ts"

/** The commands of a helper: each takes one value and returns one. */
export type Commands = Readonly<Record<string, (input: never) => unknown>>

/** A helper process, as the benchmark sees it. */
export interface Helper<C extends Commands> {
  readonly pid: number
  readonly ask: <Name extends keyof C & string>(
    name: Name,
    input: Parameters<C[Name]>[0],
  ) => Promise<Awaited<ReturnType<C[Name]>>>
  readonly end: () => Promise<void>
}

/** Starts a helper: a module that calls `serveCommands` with the commands `C`. */
export const startHelper = <C extends Commands>(module: URL, isMeasured = false): Helper<C> => {
  const [execPath, ...execArgv] = isMeasured ? onServerCore(process.execPath) : [process.execPath]
  const child = watch(
    fork(module, {
      serialization: "advanced",
      execPath,
      execArgv,
      env: { PATH: process.env.PATH, NODE_ENV: "production" },
    }),
  )
  const rpc = createBirpc<C>(
    {},
    // No timeout: measurements take arbitrarily long.
    { post: (data) => child.send(data), on: (receive) => child.on("message", receive), timeout: -1 },
  )
  child.once("exit", (code, signal) => rpc.$close(new Error(`${module.pathname} ended (${code ?? signal})`)))
  return {
    pid: child.pid ?? 0,
    ask: (name, input) => rpc.$call(name, ...([input] as never)) as never,
    end: () => end(child),
  }
}

/** The helper's side: runs commands until the benchmark is gone, then ends. */
export const serveCommands = (commands: Commands): void => {
  createBirpc<object>(commands, {
    post: (data) => process.send?.(data),
    on: (receive) => process.on("message", receive),
  })
  // Also if the benchmark was killed.
  process.once("disconnect", () => process.exit(0))
  // Ctrl+C reaches the whole group; the benchmark decides when its helpers end.
  process.on("SIGINT", () => {})
}
