/** `storage-provisioner apply`. */
import { readFile } from "node:fs/promises"
import { Data, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { dryRunFlag, scopeFlags } from "./flags.ts"
import { readSession, writeSession } from "./session.ts"
import { jsonWithBigints, planText } from "./show-plan.ts"

/** The saved plan differs from what would be done now. */
export class PlanOutdated extends Data.TaggedError("PlanOutdated")<{ readonly reason: string }> {
  override get message() {
    return `The plan is outdated: ${this.reason}. Nothing was done; make a new one`
  }
}

/** Some acts were not done. Each has a line in the log. */
export class NotAllDone extends Data.TaggedError("NotAllDone")<{ readonly count: number }> {
  override get message() {
    return `${this.count} of the acts failed or need an operator`
  }
}

/** Between two reads of the list, in milliseconds: its age is in whole seconds. */
const untilNextSecond = 1100

export const apply = Command.make(
  "apply",
  {
    ...scopeFlags,
    dryRun: dryRunFlag,
    plan: Argument.String("plan").pipe(Argument.withDescription("A plan saved by `plan --out`"), Argument.optional),
  },
  Effect.fn(function* ({ dryRun, plan: file, ...flags }) {
    const saved = Option.isSome(file) ? yield* readPlan(file.value) : undefined
    if (dryRun || saved !== undefined) {
      const { proxy, planNow } = yield* readSession(flags)
      const list = yield* proxy.refresh()
      const planned = yield* planNow(list)
      if (saved !== undefined) {
        if (saved.etag !== list.etag) return yield* new PlanOutdated({ reason: "the list has changed since" })
        if (saved.items !== jsonWithBigints(planned.items))
          return yield* new PlanOutdated({ reason: "the disk has changed since" })
      }
      if (dryRun) return void process.stdout.write(planText(planned))
    }
    const { proxy, cycle, recordConditions } = yield* writeSession(flags)
    const startedAt = performance.now()
    let list = yield* proxy.refresh()
    if (saved !== undefined && saved.etag !== list.etag) {
      return yield* new PlanOutdated({ reason: "the list has changed since" })
    }
    let outcome = yield* cycle(list)
    yield* recordConditions(list, outcome)
    const done = [...outcome.results]
    // What an earlier process reported waits for a list from after the start.
    if (saved === undefined && outcome.results.length === 0 && outcome.awaitingList > 0) {
      yield* Effect.sleep(Math.max(0, untilNextSecond - (performance.now() - startedAt)))
      list = yield* proxy.refresh(list)
      outcome = yield* cycle(list, false)
      yield* recordConditions(list, outcome)
      done.push(...outcome.results)
    }
    process.stdout.write(planText(outcome.plan))
    const failed = done.filter(({ isDone }) => !isDone).length + outcome.plan.counts["!"]
    if (failed > 0) yield* new NotAllDone({ count: failed })
  }, Effect.scoped),
).pipe(
  Command.withDescription(
    "Do what the list asks for, once. A plan saved by `plan --out` is refused if the list or the disk has changed since.",
  ),
)

const readPlan = (file: string): Effect.Effect<{ readonly etag: string; readonly items: string }, PlanOutdated> =>
  Effect.tryPromise({
    try: async () => {
      const { etag, items } = JSON.parse(await readFile(file, "utf8")) as { etag: unknown; items: unknown }
      if (typeof etag !== "string" || !Array.isArray(items)) throw new Error("it is not a plan")
      return { etag, items: jsonWithBigints(items) }
    },
    catch: (error) => new PlanOutdated({ reason: `${file} cannot be read: ${(error as Error).message}` }),
  })
