#!/usr/bin/env node
/** The executable: the command line and its exit codes. */
import { escapeLines } from "@cscs/proxy-server"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import manifest from "../package.json" with { type: "json" }
import { adopt } from "./cli/adopt.ts"
import { apply } from "./cli/apply.ts"
import { drift } from "./cli/drift.ts"
import { libraryLogs } from "./cli/log.ts"
import { planCommand } from "./cli/plan.ts"
import { run } from "./cli/run.ts"
import { status } from "./cli/status.ts"

let isRunning = false
const running = Effect.sync(() => {
  isRunning = true
})

const provisioner = Command.make("storage-provisioner").pipe(
  Command.withDescription(
    "Makes directories with quotas match the storage proxy's list, and reports to Waldur. Exit codes: 0 done, nothing to do, or `run` stopped by a signal; 1 an error; 2 there is something to do, or differences, or the command line is not understood; 130 or 143 ended by SIGINT or SIGTERM.",
  ),
  Command.withSubcommands([planCommand, apply, run.pipe(Command.provideEffectDiscard(running)), drift, status, adopt]),
)

/** The code of a command that a signal ended before it was done. */
let codeOfSignal: number | undefined
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const)
  process.on(signal, () => {
    codeOfSignal ??= 128 + number
  })

/** A message may quote an upstream, a program or the disk. */
const report = (message: string) => process.stderr.write(`${escapeLines(message)}\n`)

/** Only `run` is done when a signal stops it: any other command has not done its work. */
const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return isRunning ? 0 : (codeOfSignal ?? 1)
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") {
    const [fault] = Cause.prettyErrors(exit.cause)
    report(`An internal error of storage-provisioner, please report it: ${fault?.message ?? "unknown reason"}`)
    return 1
  }
  const { value } = error
  const tag = typeof value === "object" && value !== null && "_tag" in value ? value._tag : undefined
  if (tag === "Changes" || tag === "ShowHelp") return 2
  report(value instanceof Error ? value.message : String(value))
  return 1
}

// A reader that stops early, such as `head`, is not an error.
for (const output of [process.stdout, process.stderr])
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })

const unused: ReadonlyArray<unknown> = [GlobalFlag.LogLevel, GlobalFlag.Wizard]

Command.run(provisioner, { version: manifest.version }).pipe(
  // Effect's `--log-level` would change nothing here, and `--wizard` asks for each flag in turn.
  Effect.provide(CliConfig.layer({ builtIns: GlobalFlag.BuiltIns.filter((flag) => !unused.includes(flag)) })),
  Effect.provide([NodeServices.layer, libraryLogs]),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: (exit, onExit) => onExit(exitCode(exit)) }),
)
