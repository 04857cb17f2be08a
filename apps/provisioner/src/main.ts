#!/usr/bin/env node
/** The executable: the command line and its exit codes. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit } from "effect"
import { Command } from "effect/cli"
import manifest from "../package.json" with { type: "json" }
import { adopt } from "./cli/adopt.ts"
import { apply } from "./cli/apply.ts"
import { drift } from "./cli/drift.ts"
import { libraryLogs } from "./cli/log.ts"
import { planCommand } from "./cli/plan.ts"
import { run } from "./cli/run.ts"
import { status } from "./cli/status.ts"

const provisioner = Command.make("storage-provisioner").pipe(
  Command.withDescription(
    "Makes directories with quotas match the storage proxy's list, and reports to Waldur. Exit codes: 0 done, nothing to do, or stopped by a signal; 1 an error; 2 there is something to do, or differences, or the command line is wrong.",
  ),
  Command.withSubcommands([planCommand, apply, run, drift, status, adopt]),
)

const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return 0
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") {
    process.stderr.write(
      `An internal error, please report it: ${Cause.prettyErrors(exit.cause)[0]?.stack ?? "unknown"}\n`,
    )
    return 1
  }
  const { value } = error
  const tag = typeof value === "object" && value !== null && "_tag" in value ? value._tag : undefined
  if (tag === "Changes" || tag === "ShowHelp") return 2
  process.stderr.write(`${value instanceof Error ? value.message : String(value)}\n`)
  return 1
}

// A reader that stops early, such as `head`, is not an error.
for (const output of [process.stdout, process.stderr])
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })

Command.run(provisioner, { version: manifest.version }).pipe(
  Effect.provide([NodeServices.layer, libraryLogs]),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: (exit, onExit) => onExit(exitCode(exit)) }),
)
