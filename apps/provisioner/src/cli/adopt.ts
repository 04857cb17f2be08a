/** `storage-provisioner adopt`. */
import { escapeControls } from "@cscs/proxy-server"
import { Data, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { type Adoption, adoptAll } from "../loop/adopt.ts"
import { NotAllDone } from "./apply.ts"
import { dryRunFlag, lookFlags } from "./flags.ts"
import { readSession, writeSession } from "./session.ts"

/** The command line selects no directories. */
export class WhichDirectories extends Data.TaggedError("WhichDirectories") {
  override get message() {
    return "Select directories with --only ITEM or --all"
  }
}

export const adopt = Command.make(
  "adopt",
  {
    ...lookFlags,
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("All listed directories that are not this program's"),
      Flag.withDefault(false),
    ),
    dryRun: dryRunFlag,
  },
  Effect.fn(function* ({ all, dryRun, ...flags }) {
    if (all === Option.isSome(flags.only)) return yield* new WhichDirectories()
    if (dryRun) {
      const { readList, systems, scope } = yield* readSession(flags)
      return yield* printed(yield* adoptAll(yield* readList(), systems, scope))
    }
    const { readList, systems, scope, journal } = yield* writeSession({ ...flags, maxRemovals: Option.some(0) })
    const list = yield* readList()
    yield* printed(yield* adoptAll(list, systems, scope, { journal, drivers: systems.drivers }))
  }, Effect.scoped),
).pipe(
  Command.withDescription(
    "Take over directories that another program has made, at the mount points of active entries and with their group: mark them as this program's, and change nothing else. `plan` then shows what differs.",
  ),
)

/** Prints a line for each directory, and fails if one was not adopted. */
const printed = (adoptions: ReadonlyArray<Adoption>): Effect.Effect<void, NotAllDone> => {
  const lines = adoptions.map(({ path, outcome }) =>
    escapeControls(typeof outcome === "string" ? `${path}: ${labels[outcome]}` : `! ${path}: ${outcome.message}`),
  )
  const failed = adoptions.filter(({ outcome }) => typeof outcome !== "string").length
  process.stdout.write(`${[...lines, `${adoptions.length - failed} of ${adoptions.length} directories`].join("\n")}\n`)
  return failed > 0 ? Effect.fail(new NotAllDone({ count: failed })) : Effect.void
}

const labels = {
  made: "adopted",
  changed: "adopted",
  unchanged: "adopted before",
  adoptable: "can be adopted",
} as const
