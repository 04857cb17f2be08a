/** One cycle: list, observation of the disk, plan, acts. A restart renews the limit of removals. */
import { elapsedOf } from "@cscs/http-transport"
import type { EntryList } from "@cscs/storage-client"
import { keyOf, type StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import type { Reader } from "../drivers/driver.ts"
import type { Journal, JournalUnusable } from "../journal/journal.ts"
import { decide } from "../plan/decide.ts"
import { type Observation, type Plan, type PlanInput, type PlanItem, plan } from "../plan/plan.ts"
import { makeCycleMemory } from "./cycle-memory.ts"
import { observeAll, type Systems } from "./observe.ts"
import { type ActResult, type ItemResult, isRemoval, perform, type SendReport } from "./perform.ts"

/** The age of a list, in milliseconds, above which nothing is removed: a Terminate order may have ended since. */
const maxAgeForRemoval = 120_000

const removeUntil = ({ readAfter }: EntryList): number => readAfter + maxAgeForRemoval

/** Which entries a command is for. */
export interface Scope {
  readonly system?: string | undefined
  /** An itemId. */
  readonly only?: string | undefined
}

export interface CycleSettings extends Omit<PlanInput["settings"], "mayRemove"> {
  /** Milliseconds between two looks at all directories. */
  readonly checkEvery: number
  /** Milliseconds before an item is first tried again; doubled with each failure. */
  readonly retryAfter: number
  readonly scope: Scope
}

export interface CycleOutcome {
  readonly plan: Plan
  readonly results: ReadonlyArray<ItemResult>
  /** Entries that wait after this cycle for a list that was read after their report, which it may have sent. */
  readonly awaitingList: number
  /** Entries that this cycle skipped, because its list was read before their report or is too old for their removal. */
  readonly waiting: number
  /** In milliseconds of `elapsedMillis`: when the first retry is due of a failed item that does not wait for a list. */
  readonly retryAt: number | undefined
  /** Keys of the entries whose directories were looked at. */
  readonly seen: ReadonlySet<string>
}

/** The entries that a command is for, and that have a driver. */
export const inScope = (entries: ReadonlyArray<StorageEntry>, { drivers }: Systems<Reader>, { system, only }: Scope) =>
  entries.filter(
    (entry) =>
      drivers.has(entry.storageSystem.key) &&
      (system === undefined || entry.storageSystem.key === system) &&
      (only === undefined || entry.itemId === only),
  )

/** Cycles with a common memory, for as long as the process holds the lock. */
export const makeCycles = Effect.fnUntraced(function* (about: {
  readonly systems: Systems
  readonly journal: Journal
  readonly send: SendReport
  readonly settings: CycleSettings
  readonly onAct: (result: ActResult) => Effect.Effect<void>
}) {
  const { systems, journal, settings } = about
  const clock = yield* Effect.clockWith(Effect.succeed)
  const now = () => elapsedOf(clock)
  const memory = makeCycleMemory(journal, settings.retryAfter, now)
  let checkedAt = Number.NEGATIVE_INFINITY
  let removalsLeft = settings.maxRemovals
  /** The entries and counts of the last cycle, if it left nothing to do before another list or check. */
  let idle: (Pick<EntryList, "entries"> & Pick<Plan, "counts">) | undefined

  /** Looks at the directories that may require something, and plans. */
  const observeAndPlan = Effect.fnUntraced(function* (
    list: EntryList,
    entries: ReadonlyArray<StorageEntry>,
    held: ReadonlySet<string>,
  ) {
    const seen = memory.unsettledOf(entries).filter((entry) => !held.has(keyOf(entry)))
    const observations = yield* observeAll(seen, systems)
    yield* rememberSeen(seen, observations, journal)
    const mayRemove = now() <= removeUntil(list)
    const limits = { ...settings, maxRemovals: removalsLeft, mayRemove }
    const planned = plan({ list, entries, observations, journal: journal.items, held, settings: limits })
    const keys = new Set(planned.items.map(({ key }) => key))
    const others = seen.filter((entry) => !keys.has(keyOf(entry)))
    const isLate = (entry: StorageEntry) => !mayRemove && decide(entry).kind === "trash"
    // Late removals stay unsettled: the newer list that they wait for may have the same entries.
    for (const entry of others) if (!isLate(entry)) memory.settle(entry)
    const isCertain = [...observations.values()].every((one) => !("_tag" in one) || one._tag !== "UnknownOutcome")
    return { planned, seen: new Set(seen.map(keyOf)), lateRemovals: others.filter(isLate).length, isCertain }
  })

  /**
   * @param isPoll whether this is a regular cycle, which renews the limit of removals; the others share what is left of it
   * @param confirm called before the first act, which comes only if it succeeds
   */
  return Effect.fn("cycle")(function* <E = never>(
    list: EntryList,
    isPoll = true,
    confirm: (about: Pick<CycleOutcome, "plan" | "waiting">) => Effect.Effect<void, E> = () => Effect.void,
  ): Effect.fn.Return<CycleOutcome, JournalUnusable | E> {
    if (isPoll) removalsLeft = settings.maxRemovals
    const isCheck = now() - checkedAt >= settings.checkEvery
    const isUntouched = yield* journal.isUntouched
    if (!isCheck && isUntouched && idle?.entries === list.entries) {
      const plan = { etag: list.etag, counts: idle.counts, items: [] }
      return { plan, results: [], awaitingList: 0, waiting: 0, retryAt: undefined, seen: new Set() }
    }
    if (isCheck) {
      memory.unsettleAll()
      checkedAt = now()
    }
    const entries = inScope(list.entries, systems, settings.scope)
    const awaitsList = (entry: StorageEntry) => memory.holdOf(entry, list) === "list"
    const held = entries.filter((entry) => memory.holdOf(entry, list) !== undefined)
    const awaitingList = held.filter(awaitsList).length
    const { planned, seen, lateRemovals, isCertain } = yield* observeAndPlan(list, entries, new Set(held.map(keyOf)))
    const waitingBefore = awaitingList + lateRemovals
    yield* confirm({ plan: planned, waiting: waitingBefore })

    const results = yield* perform(planned.items, { ...about, removeUntil: removeUntil(list) })
    // Only a removal that is due too late has no result.
    const tooLate = planned.items.filter(({ acts }) => acts.length > 0).length - results.length
    for (const result of results) memory.record(result)
    removalsLeft -= results.filter(({ item }) => isRemoval(item)).length
    memory.keepRetries(new Set([...held, ...results.map(({ item }) => item)].map(({ itemId }) => itemId)))
    // An item that waits for a list has no time at which it is tried again.
    const retryAt = memory.nextRetry(entries.filter((entry) => !awaitsList(entry)).map(({ itemId }) => itemId))
    // The next cycle looks again after any result, and after a look that failed in passing.
    const isIdle =
      results.length === 0 && held.length === 0 && lateRemovals === 0 && isCertain && planned.items.every(isForLater)
    idle = isIdle ? { entries: list.entries, counts: planned.counts } : undefined
    const reported = results.filter(({ wasReported }) => wasReported).length
    return {
      plan: planned,
      results,
      awaitingList: awaitingList + reported,
      waiting: waitingBefore + tooLate,
      retryAt,
      seen,
    }
  })
})

/**
 * Records in the journal where directories were seen. An act that was killed, or whose outcome is unknown, may have
 * succeeded; then its directory is where it is seen now. A directory counts as lost, or as still present after its
 * removal in Waldur, only if the journal has recorded it.
 */
const rememberSeen = Effect.fnUntraced(function* (
  entries: ReadonlyArray<StorageEntry>,
  observations: ReadonlyMap<string, Observation>,
  journal: Journal,
): Effect.fn.Return<void, JournalUnusable> {
  for (const entry of entries) {
    const { itemId, storageSystem, mountPoint } = entry
    const observation = observations.get(keyOf(entry))
    if (observation === undefined || "_tag" in observation || observation.whereabouts.at === "nowhere") continue
    const { whereabouts } = observation
    const { trash, intent: _, ...record } = journal.items.get(itemId) ?? { system: storageSystem.key }
    if (whereabouts.at === "trash") {
      const { order, since } = whereabouts
      const path = record.path ?? mountPoint.default
      if (trash === undefined) yield* journal.put(itemId, { ...record, path, trash: { order, since } })
    } else if (whereabouts.path !== record.path || trash !== undefined) {
      yield* journal.put(itemId, { ...record, path: whereabouts.path })
    }
  }
})

/** Whether only an operator or a later list can change what to do for an item: it is looked at with the next list or check. */
const isForLater = ({ acts, isOverLimit }: PlanItem) => acts.length === 0 && isOverLimit !== true
