/** `storage-proxy check`. */
import { type CheckResult, checked, configurationWarnings, escapeControls } from "@cscs/proxy-server"
import { Data, Effect } from "effect"
import { Command } from "effect/cli"
import { configFlag, logging, settingsFrom } from "./configuration.ts"
import { jsonFlag } from "./json-flag.ts"
import { print, printJson } from "./standard-output.ts"
import { colored } from "./terminal-text.ts"

/** At least one check failed. The results have been printed. */
class CheckFailed extends Data.TaggedError("CheckFailed")<{ readonly count: number }> {
  override get message() {
    return `${this.count} of the checks failed`
  }
}

/** `storage-proxy check`: tests the configuration and calls each upstream; exit code 1 if anything fails. */
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
        `${mark.ok}  configuration`,
        ...warnings.map((warning) => `${mark.warn}  ${escapeControls(warning)}`),
      ]
      for (const { name, ok, isDoubtful, detail, advice, calls } of results) {
        const found = `${name}: ${detail}${durationsOf(calls)}`
        lines.push(`${ok ? (isDoubtful ? mark.warn : mark.ok) : mark.fail}  ${escapeControls(found)}`)
        if (advice !== undefined) lines.push(`      ${escapeControls(advice)}`)
      }
      yield* print([`${lines.join("\n")}\n`])
    }
    if (count > 0) yield* new CheckFailed({ count })
  }),
).pipe(
  Command.withDescription(
    "Test the configuration and call each upstream, with advice on failures. Exit code 1 if any check fails.",
  ),
  Command.withShortDescription("Test the configuration and call each upstream"),
  Command.withExamples([
    {
      command: "storage-proxy check --config config.yaml",
      description: "Before a start, or when something looks wrong",
    },
    { command: "storage-proxy check --json", description: "Machine-readable" },
  ]),
)

/** ` (0.12 s)`, or ` (version 0.12 s, offerings 0.34 s)` for several. */
const durationsOf = (calls: CheckResult["calls"] = []): string => {
  const took = calls.map(({ call, seconds }) => `${calls.length > 1 ? `${call} ` : ""}${seconds.toFixed(2)} s`)
  return took.length === 0 ? "" : ` (${took.join(", ")})`
}

const mark = { ok: colored("green", "ok  "), warn: colored("yellow", "warn"), fail: colored("red", "FAIL") }
