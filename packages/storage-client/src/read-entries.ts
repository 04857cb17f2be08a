/** Decodes the entries of a list one by one, so that one that is not understood does not affect the others. */
import { dashedUuid, isOfResource, property, StorageEntry } from "@cscs/storage-model"
import { Result, Schema } from "effect"
import type { EntryList, NotUnderstood } from "./entry-list.ts"

/** Maximum length of a reason, in characters: it quotes values, which may be long. */
const longestReason = 500
/** Maximum length of a mount point in `NotUnderstood`, in characters: Linux's PATH_MAX. */
const longestPath = 4096

const decode = Schema.decodeUnknownResult(StorageEntry)

/** Collects the entries of a list. */
export interface EntryReader {
  /** Decodes the next entry. */
  readonly add: (value: unknown) => void
  /** Number of entries added, understood or not. */
  readonly count: () => number
  readonly read: () => Pick<EntryList, "entries" | "notUnderstood">
}

/** A resource has one entry, so if two have its `itemId`, it is unclear which one is right: neither is understood. */
export const makeEntryReader = (): EntryReader => {
  const understood: Array<{ readonly entry: StorageEntry; readonly index: number }> = []
  const notUnderstood: Array<NotUnderstood> = []
  /** How many understood entries each resource has. */
  const ofResource = new Map<string, number>()
  let count = 0
  return {
    add: (value) => {
      const index = count
      count += 1
      const decoded = decode(value)
      if (Result.isFailure(decoded)) {
        notUnderstood.push({ index, ...nameOf(value), reason: decoded.failure.message.slice(0, longestReason) })
        return
      }
      const entry = decoded.success
      understood.push({ entry, index })
      if (isOfResource(entry)) ofResource.set(entry.itemId, (ofResource.get(entry.itemId) ?? 0) + 1)
    },
    count: () => count,
    read: () => {
      const unclear = new Set(notUnderstood.map(({ itemId }) => itemId))
      const isClear = (entry: StorageEntry) =>
        !isOfResource(entry) || (ofResource.get(entry.itemId) === 1 && !unclear.has(entry.itemId))
      const twice = understood
        .filter(({ entry }) => !isClear(entry))
        .map(({ entry, index }) => ({ index, ...nameOf(entry), reason: "the resource has several entries" }))
      return {
        entries: understood.map(({ entry }) => entry).filter(isClear),
        notUnderstood: [...notUnderstood, ...twice].toSorted((a, b) => a.index - b.index),
      }
    },
  }
}

const nameOf = (value: unknown): Pick<NotUnderstood, "itemId" | "mountPoint"> => {
  const path = property(property(value, "mountPoint"), "default")
  return {
    itemId: dashedUuid(property(value, "itemId")),
    mountPoint: typeof path === "string" ? path.slice(0, longestPath) : undefined,
  }
}
