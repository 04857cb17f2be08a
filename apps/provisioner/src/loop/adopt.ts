/** Takes over directories that another program has made, so that a site can switch to this one. */
import type { EntryList } from "@cscs/storage-client"
import { isOfResource, keyOf } from "@cscs/storage-model"
import { Effect } from "effect"
import { type Driver, type DriverError, type Outcome, type Reader, Refused } from "../drivers/driver.ts"
import type { Journal, JournalUnusable } from "../journal/journal.ts"
import { claimsOf } from "../plan/claims.ts"
import { inScope, type Scope } from "./cycle.ts"
import { isSettled } from "./drift.ts"
import { observeAll, type Systems } from "./observe.ts"

/** The outcome for one directory that is not this program's. */
export interface Adoption {
  readonly path: string
  readonly itemId: string
  /** `adoptable` in a dry run. */
  readonly outcome: Outcome | "adoptable" | DriverError
}

/**
 * Takes over the directories in scope that are at the mount point of an entry without an order that makes, resizes or removes
 * it. Only marks and records them: the next plan shows what else differs.
 *
 * @param list whole, because two entries may claim one directory
 * @param adopting the journal and the drivers; without them, nothing is changed
 */
export const adoptAll = Effect.fn("adoptAll")(function* <D extends Reader>(
  list: Pick<EntryList, "entries" | "notUnderstood">,
  systems: Systems<D>,
  scope: Scope,
  adopting?: { readonly journal: Journal; readonly drivers: ReadonlyMap<string, Driver> },
): Effect.fn.Return<ReadonlyArray<Adoption>, JournalUnusable> {
  const { conflictOf } = claimsOf(list.entries, list.notUnderstood, new Map())
  const candidates = inScope(list.entries, systems, scope).filter((entry) => isOfResource(entry) && isSettled(entry))
  const observations = yield* observeAll(candidates, systems)
  const adoptions: Array<Adoption> = []
  for (const entry of candidates) {
    const observation = observations.get(keyOf(entry))
    const { itemId, mountPoint, storageSystem } = entry
    const path = mountPoint.default
    const done = (outcome: Adoption["outcome"]) => adoptions.push({ path, itemId, outcome })
    const reader = systems.drivers.get(storageSystem.key)
    if (observation === undefined || reader === undefined) continue
    if ("_tag" in observation) {
      done(observation)
      continue
    }
    if (observation.listed === undefined || observation.atPath?.itemId !== null) continue
    const listed = { ...observation.listed, path: systems.prefix + path }
    const conflict = conflictOf(entry)
    if (conflict !== undefined) {
      done(new Refused({ step: `adopt ${path}`, detail: conflict }))
      continue
    }
    const toFailure = Effect.catch((error: DriverError) => Effect.succeed(error))
    if (adopting === undefined) {
      done(yield* reader.adoptable(listed).pipe(Effect.as("adoptable" as const), toFailure))
      continue
    }
    const driver = adopting.drivers.get(storageSystem.key)
    if (driver === undefined) continue
    const before = adopting.journal.items.get(itemId) ?? { system: storageSystem.key }
    // From now on the journal knows the directory, so it is not made again if it is lost.
    yield* adopting.journal.put(itemId, { ...before, path })
    const outcome = yield* driver.adopt(listed).pipe(toFailure)
    if (typeof outcome !== "string" && outcome._tag !== "UnknownOutcome") yield* adopting.journal.put(itemId, before)
    done(outcome)
  }
  return adoptions
})
