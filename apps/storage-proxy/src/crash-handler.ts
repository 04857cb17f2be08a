import { inspect } from "node:util"
import { logEvent } from "@cscs/proxy-server"
import { Cause, Effect } from "effect"
import { Telemetry } from "./telemetry/telemetry.ts"

/**
 * Within its scope, an uncaught error is logged and reported like any other, and then ends the process with exit code
 * 1: a process in an unknown state must not go on serving.
 */
export const endOnCrash = Effect.gen(function* () {
  const { scrub, end } = yield* Telemetry
  const context = yield* Effect.context<never>()
  let hasBegun = false
  const dieOf = (what: string) => (thrown: unknown) => {
    // The first one ends the process, once its report has left or after two seconds.
    if (hasBegun) return
    hasBegun = true
    const fault = Cause.die(presentable(thrown, scrub))
    Effect.runForkWith(context)(
      Effect.andThen(Effect.logFatal(what, fault).pipe(logEvent("crashed")), end),
    ).addObserver(() => process.exit(1))
  }
  const exception = dieOf("Uncaught exception")
  const rejection = dieOf("Unhandled rejection")
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.on("uncaughtException", exception)
      process.on("unhandledRejection", rejection)
    }),
    () =>
      Effect.sync(() => {
        process.off("uncaughtException", exception)
        process.off("unhandledRejection", rejection)
      }),
  )
})

/** The error was not written for a log: remove secrets and extra fields. */
const presentable = (thrown: unknown, scrub: Telemetry["Service"]["scrub"]): unknown => {
  if (!(thrown instanceof Error)) return scrub(typeof thrown === "string" ? thrown : inspect(thrown, { depth: 0 }))
  const copy = new Error(scrub(thrown.message))
  copy.name = thrown.name
  if (thrown.stack !== undefined) copy.stack = scrub(thrown.stack)
  return copy
}
