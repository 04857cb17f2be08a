/** Writes lines, then dies as its argument says: `throw`, `exit` or `end`. */
import { Effect } from "effect"
import { makeLogWriter } from "../src/log-writer.ts"

const [how] = process.argv.slice(2)
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const write = yield* makeLogWriter(process.stderr, String)
      for (let line = 1; line <= 500; line++) write(`line ${line}`)
      if (how === "end") return
      if (how === "exit") process.exit(3)
      setImmediate(() => {
        throw new Error("uncaught")
      })
      yield* Effect.never
    }),
  ),
)
