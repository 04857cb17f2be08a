import { checked, configurationWarnings } from "@cscs/proxy-server"
import { Data, Effect } from "effect"
import { Command } from "effect/cli"
import { configFlag, logging, settingsFrom } from "./configuration.ts"
import { jsonFlag } from "./json-flag.ts"
import { print, printJson } from "./standard-output.ts"
import { colored, escapeControls } from "./terminal-text.ts"

/** Something does not work; what, has been printed. */
class CheckFailed extends Data.TaggedError("CheckFailed")<{ readonly count: number }> {
  override get message() {
    return `${this.count} of the checks failed`
  }
}

/** `storage-proxy check`: tries the configuration and each upstream for real; exit code 1 if anything does not work. */
export const check = Command.make(
  "check",
  { config: configFlag, json: jsonFlag("Print the results as JSON") },
  Effect.fn(function* ({ config, json }) {
    const settings = yield* settingsFrom(config)
    const { results, gidCache } = yield* Effect.provide(checked(settings), logging(settings))
    const count = results.filter(({ ok }) => !ok).length
    const warnings = configurationWarnings(settings)
    if (json) {
      yield* printJson({ ok: count === 0, warnings, checks: results, gid_cache: gidCache })
    } else {
      const lines = [
        `${said.ok}  configuration`,
        ...warnings.map((warning) => `${said.warn}  ${escapeControls(warning)}`),
      ]
      for (const { name, ok, isDoubtful, detail, advice } of results) {
        lines.push(`${ok ? (isDoubtful ? said.warn : said.ok) : said.fail}  ${escapeControls(`${name}: ${detail}`)}`)
        if (advice !== undefined) lines.push(`      ${escapeControls(advice)}`)
      }
      yield* print([`${lines.join("\n")}\n`])
    }
    if (count > 0) yield* new CheckFailed({ count })
  }),
).pipe(
  Command.withDescription(
    "Try the configuration and each upstream for real, and say what to do. Exit code 1 if any fails.",
  ),
  Command.withShortDescription("Try the configuration and each upstream for real"),
  Command.withExamples([
    { command: "storage-proxy check --config config.yaml", description: "Before a start, or when something is odd" },
    { command: "storage-proxy check --json", description: "For programs" },
  ]),
)

const said = { ok: colored("green", "ok  "), warn: colored("yellow", "warn"), fail: colored("red", "FAIL") }
