import { checkUpstreams } from "@cscs/proxy-server"
import { Console, Data, Effect } from "effect"
import { Command } from "effect/cli"
import { configFlag, settingsFrom } from "./configuration.ts"

/** Something does not work; what, has been printed. */
class CheckFailed extends Data.TaggedError("CheckFailed")<{ readonly count: number }> {
  override get message() {
    return `${this.count} of the checks failed`
  }
}

/** `storage-proxy check`: tries the configuration and each upstream for real; exit code 1 if anything does not work. */
export const check = Command.make(
  "check",
  { config: configFlag },
  Effect.fn(function* ({ config }) {
    const settings = yield* settingsFrom(config)
    yield* Console.log("ok    configuration")
    for (const warning of settings.warnings) yield* Console.log(`warn  ${warning}`)
    const results = yield* checkUpstreams(settings)
    for (const { name, ok, detail, advice } of results) {
      yield* Console.log(`${ok ? "ok  " : "FAIL"}  ${name}: ${detail}`)
      if (advice !== undefined) yield* Console.log(`      ${advice}`)
    }
    const count = results.filter(({ ok }) => !ok).length
    if (count > 0) return yield* new CheckFailed({ count })
  }),
).pipe(Command.withDescription("Try the configuration and each upstream for real, and say what to do"))
