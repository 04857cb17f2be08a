import { logEvent } from "@cscs/proxy-server"
import { Cause, Effect } from "effect"
import { Telemetry } from "./telemetry/telemetry.ts"

/**
 * While its scope lasts, an error that nobody caught is a line of the log like any other, told as all errors are, and the
 * end with exit code 1: what is in an unknown state shall not serve on.
 */
export const lastWords = Effect.gen(function* () {
  const { scrub, end } = yield* Telemetry
  const context = yield* Effect.context<never>()
  let hasBegun = false
  const dieOf = (what: string) => (thrown: unknown) => {
    if (hasBegun) return process.exit(1)
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

/** Whoever threw it did not mean it for a log: without secrets, and without fields. */
const presentable = (thrown: unknown, scrub: Telemetry["Service"]["scrub"]): unknown => {
  if (!(thrown instanceof Error)) return scrub(String(thrown))
  const copy = new Error(scrub(thrown.message))
  copy.name = thrown.name
  if (thrown.stack !== undefined) copy.stack = scrub(thrown.stack)
  return copy
}
