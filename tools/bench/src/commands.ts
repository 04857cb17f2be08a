/** Questions and answers between the benchmark and its own helper processes, over `child_process.fork`. */
import { fork } from "node:child_process"
import { end, watch } from "@cscs/harness"

/** What a helper can be asked: each command takes one value and gives one. */
export type Commands = Readonly<Record<string, (input: never) => unknown>>

interface Question {
  readonly id: number
  readonly name: string
  readonly input: unknown
}
type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }

/** A helper process, seen from the benchmark. */
export interface Helper<C extends Commands> {
  readonly pid: number
  readonly ask: <Name extends keyof C & string>(
    name: Name,
    input: Parameters<C[Name]>[0],
  ) => Promise<Awaited<ReturnType<C[Name]>>>
  readonly end: () => Promise<void>
}

/** Starts a helper: a module that calls `answer` with the commands `C`. */
export const startHelper = <C extends Commands>(module: URL): Helper<C> => {
  const child = watch(
    fork(module, { serialization: "advanced", execArgv: [], env: { PATH: process.env.PATH, NODE_ENV: "production" } }),
  )
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let asked = 0
  child.on("message", (reply: Reply) => {
    const one = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ("error" in reply) one?.reject(new Error(reply.error))
    else one?.resolve(reply.value)
  })
  child.once("exit", (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${module.pathname} ended (${code ?? signal})`))
  })
  return {
    pid: child.pid ?? 0,
    ask: (name, input) =>
      new Promise((resolve, reject) => {
        asked += 1
        waiting.set(asked, { resolve: resolve as (value: unknown) => void, reject })
        const question: Question = { id: asked, name, input }
        child.send(question, (error) => {
          if (error) reject(error)
        })
      }),
    end: () => end(child),
  }
}

/** The helper's side: answers until the benchmark is gone, then ends. */
export const answer = (commands: Commands): void => {
  process.on("message", async ({ id, name, input }: Question) => {
    const reply = await Promise.resolve()
      .then(() => commands[name]?.(input as never))
      .then(
        (value): Reply => ({ id, value }),
        (error: unknown): Reply => ({
          id,
          error: error instanceof Error ? (error.stack ?? error.message) : `${error}`,
        }),
      )
    process.send?.(reply)
  })
  // Also where the benchmark was killed and could not say goodbye.
  process.once("disconnect", () => process.exit(0))
  // Ctrl+C reaches the whole group; the benchmark decides when its helpers end.
  process.on("SIGINT", () => {})
}
