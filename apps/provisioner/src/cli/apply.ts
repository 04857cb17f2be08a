/** `storage-provisioner apply`. */
import { readFile } from "node:fs/promises"
import { elapsedMillis } from "@cscs/http-transport"
import { isReadAfter } from "@cscs/storage-client"
import { Data, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { type CycleOutcome, inScope } from "../loop/cycle.ts"
import { dryRunFlag, scopeFlags } from "./flags.ts"
import { readSession, type Target, writeSession } from "./session.ts"
import { jsonWithBigints, planText } from "./show-plan.ts"

/** The saved plan cannot be read, or differs from what would be done now. */
export class PlanOutdated extends Data.TaggedError("PlanOutdated")<{ readonly reason: string }> {
  override get message() {
    return `The plan is refused: ${this.reason}. Nothing was done; make a new one`
  }
}

/** Some items were not done: each has a failed act or an `erred` in the log, a note in the plan, or is counted as waiting. */
export class NotAllDone extends Data.TaggedError("NotAllDone")<{ readonly count: number }> {
  override get message() {
    return `${this.count} of the items failed, wait or need an operator`
  }
}

/** The longest wait before the second read of the list, in milliseconds. */
const maxWait = 10_000

export const apply = Command.make(
  "apply",
  {
    ...scopeFlags,
    dryRun: dryRunFlag,
    plan: Argument.String("plan").pipe(Argument.withDescription("A plan saved by `plan --out`"), Argument.optional),
  },
  Effect.fn(function* ({ dryRun, plan: file, ...flags }) {
    const saved = Option.isSome(file) ? yield* readPlan(file.value) : undefined
    if (dryRun) {
      const { readList, planNow, target } = yield* readSession(flags)
      if (saved !== undefined) yield* compareTargets(saved, target)
      const plan = yield* planNow(yield* readList())
      if (saved !== undefined) yield* compare(saved, { plan, waiting: 0 })
      return void process.stdout.write(planText(plan))
    }
    const { readList, systems, scope, journal, cycle, recordConditions } = yield* writeSession(
      flags,
      undefined,
      (target) => (saved === undefined ? Effect.void : compareTargets(saved, target)),
    )
    const startedAt = yield* elapsedMillis
    let list = yield* readList()
    // What an earlier process reported waits for a list from after the start. The proxy's next read may take a second longer.
    const wasReported = inScope(list.entries, systems, scope).some(({ itemId }) => journal.items.get(itemId)?.reported)
    if (wasReported && !isReadAfter(list, startedAt)) {
      yield* Effect.sleep(Math.min(startedAt - list.readAfter + 1000, maxWait))
      list = yield* readList(list)
    }
    // Under the locks: no other provisioner changes the disk between the comparison and the acts.
    const outcome = yield* cycle(list, true, (now) => (saved === undefined ? Effect.void : compare(saved, now)))
    yield* recordConditions(list, outcome)
    const { plan, waiting } = outcome
    process.stdout.write(planText(plan))
    if (waiting > 0) process.stdout.write(`${waiting} waiting for a newer list: run apply again\n`)
    const count = notDoneIn(outcome)
    if (count > 0) yield* new NotAllDone({ count })
  }, Effect.scoped),
).pipe(
  Command.withDescription(
    "Do what the list asks for, once. A plan saved by `plan --out` is refused if anything else would be done now.",
  ),
)

/** How many items failed, were given up, wait, or need an operator, even if the acts of their plan succeeded. */
export const notDoneIn = ({ plan, results, waiting }: Pick<CycleOutcome, "plan" | "results" | "waiting">): number => {
  const failed = results.filter(({ isDone, item }) => !isDone || item.acts.some(({ act }) => act === "erred"))
  const forOperator = plan.items.filter(({ sign, isOnlyOrder }) => sign === "!" || isOnlyOrder)
  return new Set([...failed.map(({ item }) => item), ...forOperator]).size + waiting
}

interface SavedPlan {
  readonly scope: unknown
  readonly places: unknown
  readonly etag: string
  readonly items: ReadonlyArray<unknown>
}

const readPlan = (file: string): Effect.Effect<SavedPlan, PlanOutdated> =>
  Effect.tryPromise({
    try: async () => {
      const {
        scope = {},
        places = {},
        etag,
        items,
      } = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>
      if (typeof etag !== "string" || !Array.isArray(items)) throw new Error("it is not a plan")
      return { scope, places, etag, items }
    },
    catch: (error) => new PlanOutdated({ reason: `${file} cannot be read: ${(error as Error).message}` }),
  })

/** Refuses a saved plan for other entries or other disks. */
const compareTargets = Effect.fnUntraced(function* (saved: SavedPlan, { scope, places }: Target) {
  if (jsonWithBigints(saved.scope) !== jsonWithBigints(scope))
    return yield* new PlanOutdated({ reason: "it was made with another --system or --only" })
  if (jsonWithBigints(saved.places) !== jsonWithBigints(places))
    return yield* new PlanOutdated({
      reason: "it was made with other roots, prefix or drivers, or by an older version",
    })
})

/** Refuses a saved plan unless the same would be done now. */
const compare = Effect.fnUntraced(function* (
  saved: SavedPlan,
  { plan, waiting }: Pick<CycleOutcome, "plan" | "waiting">,
) {
  if (saved.etag !== plan.etag) return yield* new PlanOutdated({ reason: "the list has changed since" })
  if (comparable(saved.items) === comparable(plan.items)) return
  const reason =
    waiting > 0
      ? `the list is too old for ${waiting} of the entries`
      : "what would be done now differs: the disk, the journal, the settings or --max-removals have changed since"
  return yield* new PlanOutdated({ reason })
})

/** As JSON, without the reasons of what is done or not: they may contain the free space, which always changes. */
const comparable = (value: unknown): string => jsonWithBigints(value, ["note", "reason"])
