/** The quota of a directory: its project ID, and its limits as the system stores them, set and read back. */
import { Effect } from "effect"
import { checkedQuotas, isSpace, roundedTo } from "../disk/amounts.ts"
import { type Directory, octal } from "../disk/directory.ts"
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
  const known = registry.get(itemId)?.projectId
  if (range === undefined || known !== undefined) return Effect.succeed(known ?? 0)
  return mutex.withPermit(
    Effect.gen(function* () {
      const step = `project ID of ${itemId}`
      // If the registry was lost, the mark shows that the directory is this item's, and so is its ID.
      const onDisk = yield* system.tiedTo?.(directory) ?? Effect.succeed(0)
      if (onDisk !== 0) {
        const other = registry.byProjectId(onDisk)?.itemId
        if (other !== undefined || onDisk < range.first || onDisk > range.last)
          return yield* new Conflict({
            step,
            detail: `the directory has ${onDisk}, which belongs to ${other ?? "another program"}`,
          })
        yield* registry.put(itemId, { projectId: onDisk })
        return onDisk
      }
      const start = Math.max(range.first, registry.highestProjectId() + 1)
      for (let next = start; next < start + maxForeignIds; next++) {
        if (next > range.last) return yield* new Refused({ step, detail: "all configured IDs are assigned" })
        if (system.isFree !== undefined && !(yield* system.isFree(next))) continue
        yield* registry.put(itemId, { projectId: next })
        return next
      }
      const detail = `the ${maxForeignIds} from ${start} on are in use by others: configure another range`
      return yield* new Refused({ step, detail })
    }),
  )
}

export const placeOf = (root: Root, directory: Directory, { itemId, path }: Item): Effect.Effect<Place, DriverError> =>
  Effect.map(projectIdOf(root, itemId, directory), (projectId) => ({
    itemId,
    directory,
    path,
    projectId,
    registry: root.registry,
  }))

const normalised = ({ normalise }: QuotaSystem, quotas: Quotas): Quotas => normalise?.(quotas) ?? quotas

const storedAs = (system: QuotaSystem, quotas: Quotas): Quotas => {
  const { enforces, granularity } = system.capabilities
  return Object.fromEntries(
    enforces.flatMap((kind) => {
      const amount = normalised(system, quotas)[kind]
      return amount === undefined
        ? []
        : [[kind, roundedTo(isSpace(kind) ? granularity.bytes : granularity.inodes, amount)]]
    }),
  )
}

const differing = (wanted: Quotas, found: Quotas): ReadonlyArray<string> =>
  (Object.entries(wanted) as ReadonlyArray<[QuotaKind, bigint]>)
    .filter(([kind, amount]) => found[kind] !== amount)
    .map(([kind, amount]) => `${kind} ${found[kind] ?? "unlimited"}, not ${amount}`)

export const applyQuotas = Effect.fnUntraced(function* ({ system }: Root, place: Place, quotas: Quotas) {
  const wanted = storedAs(system, yield* checkedQuotas(quotas))
  const found = yield* system.readQuotas(place)
  if (differing(wanted, found).length === 0) return "unchanged"
  yield* system.setQuotas(place, normalised(system, yield* checkedQuotas({ ...found, ...wanted })))
  const wrong = differing(wanted, yield* system.readQuotas(place))
  if (wrong.length === 0) return "changed"
  return yield* new Conflict({ step: `quotas of ${place.path}`, detail: `read back: ${wrong.join("; ")}` })
})

export const differences = ({ uid, system }: Root, listed: Listed, observed: Observed): ReadonlyArray<string> => [
  ...(observed.uid === uid ? [] : [`owner ${observed.uid}, not ${uid}`]),
  ...(observed.gid === listed.gid ? [] : [`group ${observed.gid}, not ${listed.gid}`]),
  ...(observed.mode === listed.mode ? [] : [`mode ${octal(observed.mode)}, not ${octal(listed.mode)}`]),
  ...differing(storedAs(system, listed.quotas ?? {}), observed.quotas),
]
