/**
 * One cycle: list, observation of the disk, plan, acts. A restart loses what it remembers, which costs work and renews the limit of
 * removals; that a report was sent is in the journal, too.
 */
import { createHash } from "node:crypto"
import { elapsedOf } from "@cscs/http-transport"
import { type EntryList, isReadAfter } from "@cscs/storage-client"
import { keyOf, type StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import type { Reader } from "../drivers/driver.ts"
import type { Journal, JournalUnusable } from "../journal/journal.ts"
import { decide } from "../plan/decide.ts"
import { type Observation, orderOf, type Plan, type PlanInput, type PlanItem, plan } from "../plan/plan.ts"
import { observeAll, type Systems } from "./observe.ts"
import { type ActResult, type ItemResult, perform, type SendReport } from "./perform.ts"

/** The age of a list, in milliseconds, above which nothing is removed: a Terminate order may have ended since. */
const maxAgeForRemoval = 120_000
/** The longest wait before an item is tried again, as a multiple of the first; before jitter. */
const maxBackoff = 100
/** The first wait in milliseconds after a report of unknown outcome. */
const afterUnknown = 1000

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
  /** Entries that wait for a list that was read after their report. */
  readonly awaitingList: number
  /** When, in milliseconds of `elapsedMillis`, the first failed item is tried again. */
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

export const digestOf = (entry: StorageEntry): string =>
  createHash("sha256").update(JSON.stringify(entry)).digest("hex").slice(0, 16)

/** Cycles with a common memory, for as long as the process holds the lock. */
export const makeCycles = Effect.fnUntraced(function* (about: {
  readonly systems: Systems
  readonly journal: Journal
  readonly send: SendReport
  readonly settings: CycleSettings
  readonly onAct: (result: ActResult) => Effect.Effect<void>
}) {
  const { systems, journal, send, settings, onAct } = about
  const clock = yield* Effect.clockWith(Effect.succeed)
  const now = () => elapsedOf(clock)
  const startedAt = now()
  const reportedAt = new Map<string, number>()
  const backoff = new Map<string, { readonly count: number; readonly until: number }>()
  /** Digests of entries that required no act when their directory was last looked at. */
  const settled = new Map<string, string>()
  let checkedAt = Number.NEGATIVE_INFINITY
  let last: EntryList | undefined
  /** Whether the last cycle left nothing to do before another list or check. */
  let wasIdle = false
  let counts = noCounts
  let removalsLeft = settings.maxRemovals

  const heldBack = (list: EntryList, entries: ReadonlyArray<StorageEntry>) => {
    const keys = new Set<string>()
    let awaitingList = 0
    for (const entry of entries) {
      const { itemId } = entry
      const { reported, approved } = journal.items.get(itemId) ?? {}
      // An earlier process is only known to have reported before this one started.
      const at = reportedAt.get(itemId) ?? (reported ? startedAt : undefined)
      // An order that is listed as executing was read after its approval, whatever the age of the whole list: the proxy's loss
      // guard may keep old entries of another system.
      const isApproved = approved !== undefined && approved === orderOf(entry.set_state_erred_url)
      if (at !== undefined && !isApproved && !isReadAfter(list, at)) awaitingList += 1
      else if ((backoff.get(itemId)?.until ?? 0) <= now()) continue
      keys.add(keyOf(entry))
    }
    return { keys, awaitingList }
  }

  const backOff = (itemId: string, first: number) => {
    const count = (backoff.get(itemId)?.count ?? 0) + 1
    // Jitter, so that items that failed together are not retried together.
    const delay = first * Math.min(2 ** (count - 1), maxBackoff) * (0.75 + Math.random() / 2)
    backoff.set(itemId, { count, until: now() + delay })
  }

  const recordResult = (result: ItemResult) => {
    const { itemId } = result.item
    if (result.wasReported) reportedAt.set(itemId, now())
    const outcome = result.results.at(-1)?.outcome
    if (result.isDone) backoff.delete(itemId)
    else if (outcome === "unknown") backOff(itemId, Math.min(afterUnknown, settings.retryAfter))
    else if (outcome !== "otherState") backOff(itemId, settings.retryAfter)
    // The order has moved on, which the next list shows.
    else backoff.delete(itemId)
  }

  const needsLook = (entry: StorageEntry) => {
    const seen = settled.get(keyOf(entry))
    return seen === undefined || seen !== digestOf(entry)
  }

  /** @param isPoll whether this is a regular cycle, which renews the limit of removals; the others share what is left of it */
  return Effect.fn("cycle")(function* (
    list: EntryList,
    isPoll = true,
  ): Effect.fn.Return<CycleOutcome, JournalUnusable> {
    if (isPoll) removalsLeft = settings.maxRemovals
    const isCheck = now() - checkedAt >= settings.checkEvery
    const isUntouched = yield* journal.isUntouched
    if (wasIdle && !isCheck && list.entries === last?.entries && isUntouched) {
      last = list
      const plan = { etag: list.etag, counts, items: [] }
      return { plan, results: [], awaitingList: 0, retryAt: undefined, seen: new Set() }
    }
    if (isCheck) {
      settled.clear()
      checkedAt = now()
    }
    last = list
    const entries = inScope(list.entries, systems, settings.scope)
    const { keys, awaitingList } = heldBack(list, entries)
    const toSee = entries.filter((entry) => !keys.has(keyOf(entry)) && needsLook(entry))
    const observations = yield* observeAll(toSee, systems)
    yield* rememberSeen(toSee, observations, journal)
    const mayRemove = now() - list.readAfter <= maxAgeForRemoval
    const planned = plan({
      etag: list.etag,
      entries,
      notUnderstood: list.notUnderstood,
      observations,
      journal: journal.items,
      held: keys,
      settings: {
        ...settings,
        maxRemovals: removalsLeft,
        mayRemove,
      },
    })
    const withWork = new Set(planned.items.map(({ key }) => key))
    // Waits for a newer list, which may have the same entries.
    const awaitsRemoval = (entry: StorageEntry) => !mayRemove && decide(entry).kind === "trash"
    const done = toSee.filter((entry) => !withWork.has(keyOf(entry)) && !awaitsRemoval(entry))
    for (const entry of done) settled.set(keyOf(entry), digestOf(entry))
    const results = yield* perform(planned.items, { systems, journal, send, onAct })
    for (const result of results) recordResult(result)
    removalsLeft -= results.filter(({ item }) => item.sign === "-").length
    // A retry that found nothing to perform is over, and so is one of an item that is no longer listed.
    const held = new Set(entries.filter((entry) => keys.has(keyOf(entry))).map(({ itemId }) => itemId))
    const performed = new Set(results.map(({ item }) => item.itemId))
    for (const itemId of backoff.keys()) if (!held.has(itemId) && !performed.has(itemId)) backoff.delete(itemId)
    // After any result the next cycle looks again.
    wasIdle =
      results.length === 0 &&
      awaitingList === 0 &&
      backoff.size === 0 &&
      !toSee.some(awaitsRemoval) &&
      planned.items.every(isForLater)
    counts = planned.counts
    const waits = [...backoff.values()].map(({ until }) => until)
    return {
      plan: planned,
      results,
      awaitingList: awaitingList + results.filter(({ wasReported }) => wasReported).length,
      retryAt: waits.length === 0 ? undefined : Math.min(...waits),
      seen: new Set(toSee.map(keyOf)),
    }
  })
})

/**
 * Records in the journal where directories were seen: an act that was killed, or of unknown outcome, may have succeeded: then its directory is where it is seen now. A directory
 * counts as lost, or as still present after its removal in Waldur, only if the journal has recorded it.
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

const noCounts: Plan["counts"] = { "+": 0, "~": 0, "-": 0, "!": 0 }
