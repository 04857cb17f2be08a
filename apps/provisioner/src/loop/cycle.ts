/** One cycle: a list, what is on the disk, the plan, its acts. What it remembers only spares work; nothing depends on it. */
import { createHash } from "node:crypto"
import { elapsedOf } from "@cscs/http-transport"
import { type EntryList, isReadAfter } from "@cscs/storage-client"
import { keyOf, type StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import type { Reader } from "../drivers/driver.ts"
import type { Journal, JournalUnusable } from "../journal/journal.ts"
import { type Observation, orderOf, type Plan, type PlanInput, type PlanItem, plan } from "../plan/plan.ts"
import { observeAll, type Systems } from "./observe.ts"
import { type ActResult, type ItemResult, perform, type SendReport } from "./perform.ts"

/** A list older than this, in milliseconds, removes nothing: its order may have ended since. */
const oldestForRemoval = 120_000
/** The longest wait before an item is tried again, as a multiple of the first. */
const longestBackoff = 100
/** The first wait in milliseconds after a report of unknown outcome. */
const afterUnknown = 1000

/** Which entries a command is for. */
export interface Scope {
  readonly system?: string | undefined
  /** An itemId. */
  readonly only?: string | undefined
}

export interface CycleSettings extends Omit<PlanInput["settings"], "mayRemove"> {
  readonly checkEvery: number
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
  /** Digests of entries that asked for nothing when their directory was last looked at. */
  const settled = new Map<string, string>()
  let checkedAt = Number.NEGATIVE_INFINITY
  let last: EntryList | undefined
  let idle = false
  let removalsLeft = settings.maxRemovals

  const held = (list: EntryList, entries: ReadonlyArray<StorageEntry>) => {
    const keys = new Set<string>()
    let awaitingList = 0
    for (const entry of entries) {
      const { itemId } = entry
      const { reported, approved } = journal.items.get(itemId) ?? {}
      // Of an earlier process, it is only known that it reported before this one started.
      const at = reportedAt.get(itemId) ?? (reported ? startedAt : undefined)
      // However old the list is, such as while the proxy's loss guard keeps entries of another system.
      const isApproved = approved !== undefined && approved === orderOf(entry.set_state_erred_url)
      if (at !== undefined && !isApproved && !isReadAfter(list, at)) awaitingList += 1
      else if ((backoff.get(itemId)?.until ?? 0) <= now()) continue
      keys.add(keyOf(entry))
    }
    return { keys, awaitingList }
  }

  const wait = (itemId: string, first: number) => {
    const count = (backoff.get(itemId)?.count ?? 0) + 1
    // Jitter, so that items that failed together do not come back together.
    const wait = first * Math.min(2 ** (count - 1), longestBackoff) * (0.75 + Math.random() / 2)
    backoff.set(itemId, { count, until: now() + wait })
  }

  const learn = (result: ItemResult) => {
    const { itemId } = result.item
    if (result.wasReported) reportedAt.set(itemId, now())
    const outcome = result.results.at(-1)?.outcome
    if (result.isDone) backoff.delete(itemId)
    else if (outcome === "unknown") wait(itemId, Math.min(afterUnknown, settings.retryAfter))
    // In another state: the next list shows which.
    else if (outcome !== "otherState") wait(itemId, settings.retryAfter)
  }

  const needsLook = (entry: StorageEntry) => {
    const seen = settled.get(keyOf(entry))
    return seen === undefined || seen !== digestOf(entry)
  }

  /** @param isPoll whether this cycle is one of the regular ones, each of which may remove directories */
  return Effect.fn("cycle")(function* (
    list: EntryList,
    isPoll = true,
  ): Effect.fn.Return<CycleOutcome, JournalUnusable> {
    if (isPoll) removalsLeft = settings.maxRemovals
    const isCheck = now() - checkedAt >= settings.checkEvery
    const isUntouched = yield* journal.isUntouched
    if (idle && !isCheck && list.entries === last?.entries && isUntouched) {
      last = list
      return { plan: emptyPlan(list.etag), results: [], awaitingList: 0, retryAt: undefined, seen: new Set() }
    }
    if (isCheck) {
      settled.clear()
      checkedAt = now()
    }
    last = list
    const entries = inScope(list.entries, systems, settings.scope)
    const { keys, awaitingList } = held(list, entries)
    const toSee = entries.filter((entry) => !keys.has(keyOf(entry)) && needsLook(entry))
    const observations = yield* observeAll(toSee, systems)
    yield* rememberSeen(toSee, observations, journal)
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
        mayRemove: now() - list.readAfter <= oldestForRemoval,
      },
    })
    const asking = new Set(planned.items.map(({ key }) => key))
    for (const entry of toSee) if (!asking.has(keyOf(entry))) settled.set(keyOf(entry), digestOf(entry))
    const results = yield* perform(planned.items, { systems, journal, send, onAct })
    for (const result of results) learn(result)
    removalsLeft -= results.filter(({ item }) => item.sign === "-").length
    // A folder above is not reported: it is settled by the next look.
    idle = results.length === 0 && awaitingList === 0 && backoff.size === 0 && planned.items.every(isIdle)
    const listed = new Set(entries.map(({ itemId }) => itemId))
    for (const itemId of backoff.keys()) if (!listed.has(itemId)) backoff.delete(itemId)
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
 * An act that was killed, or of unknown outcome, may have succeeded: then its directory is where it is seen now. Only what the
 * journal knows to have been there counts as lost if it is gone, or as still there if it is removed in Waldur.
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

// What only a person can change, or a later list, is looked at again with the next list or check.
const isIdle = ({ acts }: PlanItem) => acts.length === 0

export const emptyPlan = (etag: string): Plan => ({ etag, counts: { "+": 0, "~": 0, "-": 0, "!": 0 }, items: [] })
