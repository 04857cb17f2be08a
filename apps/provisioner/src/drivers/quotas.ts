/** The quota of a directory: its project ID, and its limits as the system stores them, set and read back. */
import { Effect } from "effect"
import { checkedQuotas, isSpace, roundedTo } from "../disk/amounts.ts"
import { type Directory, octal } from "../disk/directory.ts"
import { quotasIn } from "../disk/registry.ts"
import {
  Conflict,
  type DriverError,
  type Item,
  type Listed,
  type Observed,
  type QuotaKind,
  type Quotas,
  Refused,
} from "./driver.ts"
import type { Place, QuotaSystem } from "./quota-system.ts"
import type { Root } from "./root.ts"

/** Consecutive project IDs that may be in use by others before an operator has to choose another range. */
const maxForeignIds = 1000

const projectIdOf = (root: Root, itemId: string, directory: Directory): Effect.Effect<number, DriverError> => {
  const { system, registry, mutex } = root
  const range = system.projectIds
  if (range === undefined) return Effect.succeed(0)
  return mutex.withPermit(
    Effect.gen(function* () {
      const known = registry.get(itemId)?.projectId
      if (known !== undefined) return known
      const step = `project ID of ${itemId}`
      // If the registry was lost, the mark shows that the directory is this item's, and so is its ID.
      const onDisk = yield* system.tiedTo?.(directory) ?? Effect.succeed(0)
      if (onDisk !== 0) {
        const other = registry.byProjectId(onDisk)?.itemId
        const whose = other === undefined ? `not one of ${range.first} to ${range.last}` : `that of ${other}`
        if (other !== undefined || onDisk < range.first || onDisk > range.last)
          return yield* new Conflict({ step, detail: `the directory has the project ID ${onDisk}, which is ${whose}` })
        yield* registry.put(itemId, { projectId: onDisk })
        return onDisk
      }
      const highest = registry.highestProjectId()
      // An adopted directory may have the last ID of the range, and an earlier range may have been higher.
      let next = range.first <= highest && highest < range.last ? highest + 1 : range.first
      for (let foreign = 0; foreign < maxForeignIds && next <= range.last; next++) {
        if (registry.byProjectId(next) !== undefined) continue
        if (system.isFree === undefined || (yield* system.isFree(next))) {
          yield* registry.put(itemId, { projectId: next })
          return next
        }
        foreign += 1
      }
      return yield* new Refused({ step, detail: `no free ID was found up to ${next - 1}: configure another range` })
    }),
  )
}

/** What identifies the item's quota. Assigns a project ID, durably, if the system uses them and the item has none. */
export const placeOf = (root: Root, directory: Directory, { itemId, path }: Item): Effect.Effect<Place, DriverError> =>
  Effect.map(projectIdOf(root, itemId, directory), (projectId) => ({
    itemId,
    directory,
    path,
    projectId,
    registry: root.registry,
  }))

/** The limits that a rename has removed, and that are not set again yet. */
export const releasedQuotas = ({ system, registry }: Root, itemId: string): Quotas =>
  system.release === undefined ? {} : quotasIn(registry.get(itemId))

export const isEmpty = (quotas: Quotas): boolean => Object.keys(quotas).length === 0

/** In a record, forgets the limits that a rename has removed. With other systems, a record may have the limits that are set. */
export const nothingReleased = ({ system }: Root): { readonly quotas?: null } =>
  system.release === undefined ? {} : { quotas: null }

/**
 * The limits as the system stores them after a request; the kinds that it does not name stay as found or, if none is found, as
 * released: any limit that is found was set after the release.
 */
const storedAfter = (
  { capabilities, normalise }: QuotaSystem,
  released: Quotas,
  found: Quotas,
  requested: Quotas,
): Quotas => {
  const { enforces, granularity } = capabilities
  const asked = isEmpty(found) ? { ...released, ...requested } : requested
  const rounded = enforces.flatMap((kind) => {
    const amount = asked[kind]
    const granule = isSpace(kind) ? granularity.bytes : granularity.inodes
    return amount === undefined ? [] : [[kind, roundedTo(granule, amount)] as const]
  })
  const all = { ...found, ...Object.fromEntries(rounded) }
  return normalise?.(all) ?? all
}

const differing = (wanted: Quotas, found: Quotas): ReadonlyArray<string> =>
  (Object.keys({ ...found, ...wanted }) as ReadonlyArray<QuotaKind>)
    .filter((kind) => found[kind] !== wanted[kind])
    .map((kind) => `${kind} ${found[kind] ?? "unlimited"}, not ${wanted[kind] ?? "unlimited"}`)

/** Sets limits and those that a rename has removed, and reads them back. They stay remembered. */
export const setLimits = Effect.fnUntraced(function* (root: Root, place: Place, quotas: Quotas) {
  const { system } = root
  yield* checkedQuotas(quotas)
  const found = yield* system.readQuotas(place)
  const wanted = storedAfter(system, releasedQuotas(root, place.itemId), found, quotas)
  if (differing(wanted, found).length === 0) return "unchanged"
  yield* system.setQuotas(place, yield* checkedQuotas(wanted))
  const wrong = differing(wanted, yield* system.readQuotas(place))
  if (wrong.length === 0) return "changed"
  return yield* new Conflict({ step: `quotas of ${place.path}`, detail: `read back: ${wrong.join("; ")}` })
})

/** Sets limits as `setLimits` does; then nothing is left to remember. */
export const applyQuotas = Effect.fnUntraced(function* (root: Root, place: Place, quotas: Quotas) {
  const outcome = yield* setLimits(root, place, quotas)
  if (root.system.release !== undefined) yield* root.registry.put(place.itemId, nothingReleased(root))
  return outcome
})

export const differences = (root: Root, listed: Listed, observed: Observed): ReadonlyArray<string> => [
  ...(observed.uid === root.uid ? [] : [`owner ${observed.uid}, not ${root.uid}`]),
  ...(observed.gid === listed.gid ? [] : [`group ${observed.gid}, not ${listed.gid}`]),
  ...(observed.mode === listed.mode ? [] : [`mode ${octal(observed.mode)}, not ${octal(listed.mode)}`]),
  ...quotaDifferences(root, listed, observed),
]

const quotaDifferences = (root: Root, { itemId, quotas }: Listed, observed: Observed): ReadonlyArray<string> => {
  // What an item's own directory has lost in a rename is no difference of another directory at its path.
  const released = observed.itemId === itemId ? releasedQuotas(root, itemId) : {}
  const found = differing(storedAfter(root.system, released, observed.quotas, quotas ?? {}), observed.quotas)
  // Remembered for longer, they would come back after a person has removed the quota.
  return found.length === 0 && !isEmpty(released) ? ["quotas still remembered from a rename"] : found
}
