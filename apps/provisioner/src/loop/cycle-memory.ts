/**
 * What cycles remember of earlier ones: when an item was reported, when a failed one is tried again, and which entries required
 * nothing. A restart loses it, which costs work; that a report was sent is in the journal, too.
 */
import { createHash } from "node:crypto"
import { type EntryList, isReadAfter } from "@cscs/storage-client"
import { keyOf, type StorageEntry } from "@cscs/storage-model"
import type { Journal } from "../journal/journal.ts"
import { orderOf } from "../plan/plan.ts"
import type { ItemResult } from "./perform.ts"

/** The longest wait before an item is tried again, as a multiple of the first; before jitter. */
const maxBackoff = 100
/** The first wait in milliseconds after a report of unknown outcome. */
const afterUnknown = 1000
/** The longest wait in seconds that is kept because Waldur asks for it. */
const maxAsked = 3600

/**
 * What an entry waits for before anything is done for it: a list that was read after its report, or the time of its retry.
 */
export type Hold = "list" | "retry"

export interface CycleMemory {
  readonly holdOf: (entry: StorageEntry, list: EntryList) => Hold | undefined
  /**
   * The entries that are not settled in their listed form. Of the settled ones it remembers only those that are listed unchanged:
   * if an entry changes and later changes back, it is looked at again, because acts came in between.
   */
  readonly unsettledOf: (entries: ReadonlyArray<StorageEntry>) => ReadonlyArray<StorageEntry>
  /** An entry required nothing when its directory was looked at. */
  readonly settle: (entry: StorageEntry) => void
  /** All directories are looked at anew. */
  readonly unsettleAll: () => void
  readonly record: (result: ItemResult) => void
  /** Forgets the retries of all other items: a retry that found nothing to perform is over. */
  readonly keepRetries: (items: ReadonlySet<string>) => void
  /** When, in milliseconds of `now`, the first of these items is tried again; `undefined` if none is. */
  readonly nextRetry: (items: Iterable<string>) => number | undefined
}

export const digestOf = (entry: StorageEntry): string =>
  createHash("sha256").update(JSON.stringify(entry)).digest("hex").slice(0, 16)

/**
 * @param retryAfter milliseconds before an item is first tried again; doubled with each failure
 * @param now milliseconds of `elapsedMillis`
 */
export const makeCycleMemory = (journal: Journal, retryAfter: number, now: () => number): CycleMemory => {
  const startedAt = now()
  const reportedAt = new Map<string, number>()
  const retries = new Map<string, { readonly failures: number; readonly at: number }>()
  /** Digests of the settled entries, by entry key. */
  let settled = new Map<string, string>()

  /** @param asked seconds that Waldur asks to wait; the usual wait follows, so that not all items are retried at its end */
  const retryLater = (itemId: string, first: number, asked = 0) => {
    const failures = (retries.get(itemId)?.failures ?? 0) + 1
    // Jitter, so that items that failed together are not retried together.
    const delay = first * Math.min(2 ** (failures - 1), maxBackoff) * (0.75 + Math.random() / 2)
    retries.set(itemId, { failures, at: now() + Math.min(asked, maxAsked) * 1000 + delay })
  }

  return {
    holdOf: ({ itemId, set_state_erred_url }, list) => {
      const { reported, approved } = journal.items.get(itemId) ?? {}
      // An earlier process is only known to have reported before this one started.
      const at = reportedAt.get(itemId) ?? (reported ? startedAt : undefined)
      // An order that is listed as executing was read after its approval, whatever the age of the whole list: the proxy's loss
      // guard may keep old entries of another system.
      const isApproved = approved !== undefined && approved === orderOf(set_state_erred_url)
      if (at !== undefined && !isApproved && !isReadAfter(list, at)) return "list"
      return (retries.get(itemId)?.at ?? 0) > now() ? "retry" : undefined
    },
    unsettledOf: (entries) => {
      const still = new Map<string, string>()
      const changed = entries.filter((entry) => {
        const key = keyOf(entry)
        const digest = settled.get(key)
        if (digest === undefined || digest !== digestOf(entry)) return true
        still.set(key, digest)
        return false
      })
      settled = still
      return changed
    },
    settle: (entry) => void settled.set(keyOf(entry), digestOf(entry)),
    unsettleAll: () => settled.clear(),
    record: ({ item: { itemId }, results, isDone, wasReported }) => {
      if (wasReported) reportedAt.set(itemId, now())
      const { outcome, retryAfter: asked } = results.at(-1) ?? {}
      if (outcome === "unknown") retryLater(itemId, Math.min(afterUnknown, retryAfter), asked)
      // After `otherState` the order has moved on, which the next list shows.
      else if (isDone || outcome === "otherState") retries.delete(itemId)
      else retryLater(itemId, retryAfter)
    },
    keepRetries: (items) => {
      for (const itemId of retries.keys()) if (!items.has(itemId)) retries.delete(itemId)
    },
    nextRetry: (items) => {
      const times = [...items].flatMap((itemId) => retries.get(itemId)?.at ?? [])
      return times.length === 0 ? undefined : Math.min(...times)
    },
  }
}
