/**
 * Any sequence of orders, polls, lists of any age, failures, restarts and pauses: no cycle does what its list does not allow, and
 * when the failures end, the disk and Waldur agree without the regular check of all directories.
 */
import { existsSync } from "node:fs"
import { elapsedMillis } from "@cscs/http-transport"
import type { StorageEntry } from "@cscs/storage-model"
import type { ReportOutcome } from "@cscs/waldur-client"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { expect, test } from "vitest"
import { Conflict, type Driver, type DriverError, type Outcome, UnknownOutcome } from "../../src/drivers/driver.ts"
import type { CycleOutcome } from "../../src/loop/cycle.ts"
import type { Report } from "../../src/loop/perform.ts"
import { orderOf } from "../../src/plan/plan.ts"
import { anEntry, executing, itemId, order, quotas, waiting } from "../an-entry.ts"
import { aList, aSite } from "./a-site.ts"

const pollEvery = 60_000
const maxRemovals = 2
const retryAfter = 5000
const maxAgeForRemoval = 120_000

/** What happens to an act or a report. */
const fates = ["done", "done", "done", "lost", "failed", "refused"] as const
type Fate = (typeof fates)[number]

const item = fc.nat(3)
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("order" as const), item, removes: fc.boolean(), isWaiting: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rename" as const), item }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), item }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("refresh" as const), without: fc.option(item) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("cycle" as const),
      isPoll: fc.boolean(),
      isSameArray: fc.boolean(),
      fates: fc.array(fc.constantFrom(...fates), { maxLength: 6 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 1100, 30_000, 130_000, 700_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

type State = "absent" | "creating" | "active" | "updating" | "removing" | "error" | "removed"

/** An item as Waldur knows it. */
interface Item {
  state: State
  /** Whether its order waits for approval. */
  isWaiting: boolean
  order: string
  terabytes: number
  wanted: number
  isRenamed: boolean
}

const pathOf = (number: number, { isRenamed }: Item) => `/capstor/store/cscs/ethz/p${number}${isRenamed ? "-new" : ""}`

const urlsOf = (urls: object, ofItem: string) =>
  Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, String(url).replace(order, ofItem)]))

/** A Waldur with four resources. */
const aWaldur = () => {
  let orders = 0
  const newOrder = () => String(++orders).padStart(32, "0")
  const items = Array.from(
    { length: 4 },
    (_, number): Item => ({
      state: number === 0 ? "absent" : "active",
      isWaiting: false,
      order: "",
      terabytes: 1,
      wanted: 1,
      isRenamed: false,
    }),
  )
  const entryOf = (one: Item, number: number): ReadonlyArray<StorageEntry> => {
    const { state, isWaiting, terabytes, wanted } = one
    if (state === "absent" || state === "removed") return []
    const hasOrder = state === "creating" || state === "updating" || state === "removing"
    return [
      anEntry({
        itemId: itemId(number),
        path: pathOf(number, one),
        status: state === "creating" ? "pending" : state,
        quotas: [...quotas(terabytes)],
        ...(hasOrder ? urlsOf(isWaiting ? waiting : executing, one.order) : {}),
        ...(state === "updating" && !isWaiting ? { newQuotas: [...quotas(wanted)] } : {}),
      }),
    ]
  }
  return {
    items,
    entries: () => items.flatMap(entryOf),
    /** A customer orders the next change of a resource, if it may have one. */
    order: (number: number, removes: boolean, isWaiting: boolean) => {
      const one = items[number] as Item
      if (one.state !== "absent" && one.state !== "active") return
      one.wanted = one.state === "absent" ? one.terabytes : one.terabytes + 1
      one.state = one.state === "absent" ? "creating" : removes ? "removing" : "updating"
      one.order = newOrder()
      one.isWaiting = isWaiting
    },
    /** Another party ends a resource's order. */
    cancel: (number: number) => {
      const one = items[number] as Item
      if (one.state === "creating") one.state = "absent"
      else if (one.state === "updating" || one.state === "removing") one.state = "active"
    },
    rename: (number: number) => {
      const one = items[number] as Item
      one.isRenamed = !one.isRenamed
    },
    /** Applies a report; whether the order was in the state for it. */
    report: ({ act, url }: Report): boolean => {
      if (act === "backend-id") return true
      const one = items.find(({ order }) => order === orderOf(url))
      if (one === undefined || (one.state !== "creating" && one.state !== "updating" && one.state !== "removing")) {
        return false
      }
      if (one.isWaiting !== (act === "approve")) return false
      if (act === "approve") one.isWaiting = false
      else if (act === "erred") one.state = "error"
      else {
        one.state = one.state === "removing" ? "removed" : "active"
        one.terabytes = one.wanted
      }
      return true
    },
  }
}

const run = (steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const site = aSite()
    const waldur = aWaldur()
    let fatesLeft: Array<Fate> = []
    const nextFate = (): Fate => fatesLeft.shift() ?? "done"
    let trashed = 0
    /** When each item was last reported. */
    const reportedAt = new Map<string, number>()
    /** The items that failed, and the earliest time of their retry. */
    const retriedFrom = new Map<string, number>()
    let list = aList([], yield* elapsedMillis)

    const fails = (effect: Effect.Effect<Outcome, DriverError>): Effect.Effect<Outcome, DriverError> =>
      Effect.suspend(() => {
        const fate = nextFate()
        if (fate === "done") return effect
        if (fate === "refused") return Effect.fail(new Conflict({ step: "a step", detail: "refused" }))
        const unknown = Effect.fail(new UnknownOutcome({ step: "a step", detail: fate }))
        return fate === "lost" ? Effect.andThen(effect, unknown) : unknown
      })
    const driver = (driver: Driver): Driver => ({
      ...driver,
      ensureDirectory: (listed) => fails(driver.ensureDirectory(listed)),
      move: (item, from) => fails(driver.move(item, from)),
      restore: (item) => fails(driver.restore(item)),
      trash: (item, order) => {
        trashed += 1
        return fails(driver.trash(item, order))
      },
    })
    const isOnDisk = (number: number) => {
      const one = waldur.items[number] as Item
      return existsSync(site.prefix + pathOf(number, one))
    }
    const respond = (report: Report): ReportOutcome => {
      const number = waldur.items.findIndex(({ order }) => order === orderOf(report.url))
      const fate = nextFate()
      if (fate === "failed") return { _tag: "unknown", detail: "timeout" }
      if (fate === "refused") return { _tag: "refused", detail: "403" }
      const state = waldur.items[number]?.state
      const isApplied = waldur.report(report)
      // Where the list says: it may be older than a rename.
      const path = list.entries.find(({ itemId: listed }) => listed === itemId(number))?.mountPoint.default
      if (report.act === "done" && isApplied) expect(existsSync(`${site.prefix}${path}`)).toBe(state !== "removing")
      if (fate === "lost") return { _tag: "unknown", detail: "timeout" }
      return isApplied ? { _tag: "done" } : { _tag: "otherState", detail: "409" }
    }
    const start = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const settings = { maxRemovals, retryAfter, checkEvery: Number.MAX_SAFE_INTEGER }
      const cycle = yield* site.start({ driver, respond, settings }).pipe(Scope.provide(scope))
      return { cycle, stop: Scope.close(scope, Exit.void) }
    })
    let session = yield* start
    let removalsLeft = maxRemovals

    /** @param without an item that the proxy does not list for a while */
    const refresh = Effect.fnUntraced(function* (without: number | null) {
      const entries = waldur.entries().filter((entry) => without === null || entry.itemId !== itemId(without))
      const isSame = JSON.stringify(entries) === JSON.stringify(list.entries)
      list = aList(isSame ? list.entries : entries, yield* elapsedMillis)
    })
    const cycle = Effect.fnUntraced(function* (isPoll: boolean) {
      const now = yield* elapsedMillis
      if (isPoll) removalsLeft = maxRemovals
      trashed = 0
      const before = site.reports.length
      const outcome: CycleOutcome = yield* session.cycle(list, isPoll)
      expect(trashed).toBeLessThanOrEqual(now - list.readAfter <= maxAgeForRemoval ? removalsLeft : 0)
      removalsLeft -= trashed
      for (const { item, results } of outcome.results) {
        const at = reportedAt.get(item.itemId)
        const entry = list.entries.find((entry) => entry.itemId === item.itemId)
        if (at !== undefined && results.length > 0 && list.readAfter < at) {
          // Only an approved order that is listed as executing.
          expect(entry?.set_state_erred_url).toBeDefined()
        }
      }
      // An item that is listed again begins anew.
      for (const itemId of retriedFrom.keys())
        if (!list.entries.some((entry) => entry.itemId === itemId)) retriedFrom.delete(itemId)
      for (const { item, results, isDone, wasReported } of outcome.results) {
        if (wasReported) reportedAt.set(item.itemId, now)
        expect(now).toBeGreaterThanOrEqual(retriedFrom.get(item.itemId) ?? 0)
        const last = results.at(-1)?.outcome
        if (isDone || last === "otherState") retriedFrom.delete(item.itemId)
        else retriedFrom.set(item.itemId, now + 0.75 * (last === "unknown" ? 1000 : retryAfter))
      }
      expect(site.reports.length - before).toBe(
        outcome.results.flatMap(({ results }) => results).filter(({ act }) => "url" in act).length,
      )
      if (outcome.retryAt !== undefined) expect(outcome.retryAt).toBeGreaterThan(now)
      return outcome
    })

    yield* refresh(null)
    yield* cycle(true)
    for (const step of steps) {
      if (step.kind === "order") waldur.order(step.item, step.removes, step.isWaiting)
      else if (step.kind === "rename") waldur.rename(step.item)
      else if (step.kind === "cancel") waldur.cancel(step.item)
      else if (step.kind === "refresh") yield* refresh(step.without)
      else if (step.kind === "wait") yield* TestClock.adjust(step.ms)
      else if (step.kind === "restart") {
        yield* session.stop
        session = yield* start
        removalsLeft = maxRemovals
        retriedFrom.clear()
      } else {
        fatesLeft = [...step.fates]
        if (!step.isSameArray) list = { ...list, entries: [...list.entries] }
        yield* cycle(step.isPoll)
        fatesLeft = []
      }
    }

    // The failures end.
    let isOver = false
    for (let polls = 0; polls < 60 && !isOver; polls++) {
      yield* TestClock.adjust(pollEvery)
      yield* refresh(null)
      const { results, awaitingList, retryAt } = yield* cycle(true)
      isOver = results.length === 0 && awaitingList === 0 && retryAt === undefined
    }
    expect(isOver).toBe(true)
    for (const [number, one] of waldur.items.entries()) {
      expect(["absent", "active", "error", "removed"]).toContain(one.state)
      if (one.state === "active" || one.state === "removed") expect(isOnDisk(number)).toBe(one.state === "active")
    }
    // Idle: nothing is looked at, and the counts are those of the last cycle.
    yield* refresh(null)
    const idle = yield* cycle(true)
    expect(idle.seen.size).toBe(0)
    yield* session.stop
  })

test("after any sequence of orders, lists, failures and restarts, the disk and Waldur agree, with no early removal and no retry without a pause", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) =>
      Effect.runPromise(run(steps).pipe(Effect.provide(TestClock.layer({ warningDelay: "1 hour" })))),
    ),
    { numRuns: Number(process.env.RUNS ?? 200) },
  )
})
