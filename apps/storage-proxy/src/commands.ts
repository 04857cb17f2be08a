/** The command line and its commands. */
import { escapeLines } from "@cscs/proxy-server"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import manifest from "../package.json" with { type: "json" }
import { check } from "./check.ts"
import { diff } from "./diff.ts"
import { exitCodeOf, exitCodes } from "./exit-codes.ts"
import { explain } from "./explain.ts"
import { exportEntries } from "./export.ts"
import { serve } from "./serve.ts"
import { tree } from "./tree.ts"

let isServing = false
const beginsServing = Effect.sync(() => {
  isServing = true
})

const storageProxy = Command.make("storage-proxy").pipe(
  Command.withDescription(
    "Serves Waldur's storage resources to the storage management systems. Exit codes: 0 done, or `serve` stopped by a signal; 1 something failed; 2 the configuration or the command line is wrong; 3 what `explain` was asked for is not in the list; 4 `diff` found differences; 130 or 143 ended by SIGINT or SIGTERM.",
  ),
  Command.withSubcommands([
    serve.pipe(Command.provideEffectDiscard(beginsServing)),
    check,
    exportEntries,
    tree,
    explain,
    diff,
  ]),
)

/** A message may quote an upstream. */
const report = (message: string) => process.stderr.write(`${escapeLines(message)}\n`)

/** The code of a command that the first signal ended before it was done. */
let codeOfSignal: number | undefined

/** Only `serve` is done when a signal stops it: any other command has not done its work. */
const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return exitCodes.done
  if (Cause.hasInterruptsOnly(exit.cause)) return isServing ? exitCodes.done : (codeOfSignal ?? exitCodes.failed)
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") {
    const [fault] = Cause.prettyErrors(exit.cause)
    report(`An internal error of storage-proxy, please report it: ${fault?.message ?? "unknown reason"}`)
    return exitCodes.failed
  }
  const { value } = error
  const tag = typeof value === "object" && value !== null && "_tag" in value ? value._tag : undefined
  // Errors of the command line parser already print their help text.
  if (tag !== "ShowHelp") report(value instanceof Error ? value.message : String(value))
  return exitCodeOf(tag)
}

// The first signal lets open work finish (`runMain`). A second one ends the process at once.
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.on(signal, () => {
    if (codeOfSignal !== undefined) process.exit(128 + number)
    codeOfSignal = 128 + number
  })
}

Command.run(storageProxy, { version: manifest.version }).pipe(
  // Effect's `--wizard` asks for each flag in turn; every command here works without any.
  Effect.provide(CliConfig.layer({ builtIns: GlobalFlag.BuiltIns.filter((flag) => flag !== GlobalFlag.Wizard) })),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(exitCode(exit)),
  }),
)
