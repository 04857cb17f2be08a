import { checkUpstreams } from "@cscs/proxy-server"
import { Console, Data, Effect } from "effect"
import { Command, Flag } from "effect/cli"
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
  {
    config: configFlag,
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print the results as JSON"), Flag.withDefault(false)),
  },
  Effect.fn(function* ({ config, json }) {
    const settings = yield* settingsFrom(config)
    const results = yield* checkUpstreams(settings)
    const count = results.filter(({ ok }) => !ok).length
    if (json) {
      yield* Console.log(JSON.stringify({ ok: count === 0, warnings: settings.warnings, checks: results }, null, 2))
      return count === 0 ? undefined : yield* new CheckFailed({ count })
    }
    yield* Console.log("ok    configuration")
    for (const warning of settings.warnings) yield* Console.log(`warn  ${warning}`)
    for (const { name, ok, detail, advice } of results) {
      yield* Console.log(`${ok ? "ok  " : "FAIL"}  ${name}: ${detail}`)
      if (advice !== undefined) yield* Console.log(`      ${advice}`)
    }
    return count === 0 ? undefined : yield* new CheckFailed({ count })
  }),
).pipe(Command.withDescription("Try the configuration and each upstream for real, and say what to do"))
