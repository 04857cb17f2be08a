/** The command line and its commands. */
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

let isStopping = false

const storageProxy = Command.make("storage-proxy").pipe(
  Command.withDescription(
    "Serves Waldur's storage resources to the storage management systems. Exit codes: 0 done, or stopped by a signal; 1 something failed; 2 the configuration or the command line is wrong; 3 what `explain` was asked for is not in the list; 4 `diff` found differences.",
  ),
  Command.withSubcommands([serve, check, exportEntries, tree, explain, diff]),
)

/** The code from `exit-codes.ts`; 130 or 143 if a second signal ended the process. */
const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return exitCodes.done
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") {
    const [fault] = Cause.prettyErrors(exit.cause)
    process.stderr.write(
      `An internal error of storage-proxy, please report it: ${fault?.message ?? "unknown reason"}\n`,
    )
    return exitCodes.failed
  }
  const { value } = error
  const tag = typeof value === "object" && value !== null && "_tag" in value ? value._tag : undefined
  // Errors of the command line parser already print their help text.
  if (tag !== "ShowHelp") process.stderr.write(`${value instanceof Error ? value.message : String(value)}\n`)
  return exitCodeOf(tag)
}

// The first signal lets open work finish (`runMain`). A second one ends the process at once.
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.on(signal, () => {
    if (isStopping) process.exit(128 + number)
    isStopping = true
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
