/** How list and disk differ, in both directions. Changes nothing; what to do is in the plan. */
import type { EntryList } from "@cscs/storage-client"
import { keyOf, type StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import type { DriverError, Reader } from "../drivers/driver.ts"
import { decide } from "../plan/decide.ts"
import type { Observation } from "../plan/plan.ts"
import { inScope, type Scope } from "./cycle.ts"
import { observeAll, type Systems, withoutPrefix } from "./observe.ts"

/** One difference. Paths are mount points. */
export interface Drift {
  readonly drift: /** On the disk, at or beside listed mount points, and not listed there. */
    | "unlisted"
    /** Listed, and nowhere on the disk. */
    | "missing"
    /** Listed, and at another place or in the trash. */
    | "elsewhere"
    /** Listed, with another owner, group, mode or quota. */
    | "different"
    /** Something that no driver has made, or another item's directory, is at the mount point. */
    | "foreign"
    /** The disk or the entry could not be read. */
    | "unknown"
  readonly system: string
  readonly path: string
  /** Whose directory it is, or whose it should be; `null` if no driver has made it. */
  readonly itemId: string | null
  readonly detail: string
}

/** Compares the entries in scope with the disk and, unless `scope.only` is set, the disk with the whole list. */
export const driftOf = Effect.fn("driftOf")(function* (
  list: EntryList,
  systems: Systems<Reader>,
  scope: Scope,
): Effect.fn.Return<ReadonlyArray<Drift>, DriverError> {
  const entries = inScope(list.entries, systems, scope).filter(isSettled)
  const observations = yield* observeAll(entries, systems)
  const listed = entries.flatMap((entry) => {
    const driver = systems.drivers.get(entry.storageSystem.key)
    const observation = observations.get(keyOf(entry))
    const found = driver === undefined || observation === undefined ? undefined : ofEntry(entry, observation, driver)
    return found === undefined
      ? []
      : [{ ...found, system: entry.storageSystem.key, path: entry.mountPoint.default, itemId: entry.itemId }]
  })
  const notUnderstood = list.notUnderstood.map(
    ({ itemId, mountPoint, reason }): Drift => ({
      drift: "unknown",
      system: "",
      path: mountPoint ?? "",
      itemId: itemId ?? null,
      detail: `the entry is not understood: ${reason}`,
    }),
  )
  if (scope.only !== undefined) return [...notUnderstood, ...listed]
  const reported = new Set(listed.map(({ itemId }) => itemId))
  const unlisted = yield* Effect.forEach(systems.drivers, ([system, driver]) =>
    Effect.map(driver.unlisted(pathsOf(list, system, systems.prefix)), (found) =>
      found.flatMap(({ path, itemId }): ReadonlyArray<Drift> => {
        const whose = itemId === null ? "not made by this program" : `the directory of ${itemId}`
        return itemId !== null && reported.has(itemId)
          ? []
          : [{ drift: "unlisted", system, path: withoutPrefix(systems.prefix, path), itemId, detail: whose }]
      }),
    ),
  )
  return [...notUnderstood, ...listed, ...unlisted.flat()]
})

/** Whether the entry's directory should exist, and no order in progress makes, resizes or removes it. */
export const isSettled = (entry: StorageEntry): boolean => {
  const decision = decide(entry)
  return decision.kind === "parent" || (decision.kind === "keep" && decision.then !== "report")
}

/** Where directories may be according to the list, including entries that are not understood. */
const pathsOf = ({ entries, notUnderstood }: EntryList, system: string, prefix: string): ReadonlySet<string> =>
  new Set([
    ...entries
      .filter(({ storageSystem, status }) => storageSystem.key === system && status !== "removed")
      .map(({ mountPoint }) => prefix + mountPoint.default),
    ...notUnderstood.flatMap(({ mountPoint }) => (mountPoint === undefined ? [] : [prefix + mountPoint])),
  ])

const ofEntry = (
  entry: StorageEntry,
  observation: Observation,
  driver: Reader,
): Pick<Drift, "drift" | "detail"> | undefined => {
  if ("_tag" in observation) return { drift: "unknown", detail: observation.message }
  const { whereabouts, listed, atPath, differences } = observation
  if (listed === undefined) return atPath === null ? { drift: "missing", detail: "the folder is missing" } : undefined
  if (atPath !== null && atPath.itemId !== entry.itemId) {
    // Quotas are read only of directories that a driver has made.
    const others = driver.differences({ ...listed, quotas: null }, atPath)
    const whose = atPath.itemId === null ? "not made by this program" : `the directory of ${atPath.itemId}`
    return { drift: "foreign", detail: [whose, ...others].join(", ") }
  }
  if (atPath !== null)
    return differences.length === 0 ? undefined : { drift: "different", detail: differences.join(", ") }
  switch (whereabouts.at) {
    case "nowhere":
      return { drift: "missing", detail: "the directory is missing" }
    case "trash":
      return { drift: "elsewhere", detail: `in the trash since ${whereabouts.since}` }
    case "path":
      return { drift: "elsewhere", detail: `at ${whereabouts.path}` }
  }
}
