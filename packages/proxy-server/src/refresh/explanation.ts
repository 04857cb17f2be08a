/** Explains where an entry comes from, or why it is absent, from rows that this process holds or reads now. */
import { cooperatively } from "@cscs/http-transport"
import { explaining, type HierarchyInput, parseLookup } from "@cscs/storage-model"
import { WaldurClient } from "@cscs/waldur-client"
import { Effect } from "effect"
import { Settings } from "../config/settings.ts"
import type { Snapshot } from "../snapshot/snapshot.ts"
import { decodeRows, neededBy, resourcesIn } from "./decoded-rows.ts"
import { listsOf, lookupSession } from "./lookups.ts"
import { protectedIn } from "./loss-guard.ts"
import { type ReadResult, readOfferings, resourceQuery } from "./read-snapshot.ts"

/**
 * The model's explanation, and the slugs of the configured offerings: nothing else can be found.
 *
 * @param text a UUID, a slug or a mount point, as a person types it; see `parseLookup` of the model
 */
export const explanationIn = Effect.fnUntraced(function* (input: HierarchyInput, text: string) {
  const { passes, end } = explaining(input, parseLookup(text))
  for (const pass of passes) yield* pass(cooperatively)
  const offerings = input.settings.storageSystems.map(({ offeringSlug }) => offeringSlug)
  return { ...end(), offerings }
})

/**
 * All input of the tree, read now; unlike a refresh it continues if the HPC User API fails.
 *
 * @param listed the snapshot that this process serves, if any: what it protects, the explanation protects
 */
export const inputReadNow = Effect.fnUntraced(function* (listed?: Snapshot) {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  const session = yield* lookupSession(undefined)
  const { own } = yield* readOfferings(undefined)
  const { rows } = yield* waldur.readResources(yield* resourceQuery)
  const decoded = yield* decodeRows(rows, model, own)
  const lookups = yield* session.resolve(yield* neededBy(decoded))
  const input: HierarchyInput = {
    decoded: yield* resourcesIn(decoded.rows),
    customers: listsOf(lookups),
    gids: lookups.gids,
    settings: model,
    offerings: own,
    ...(listed !== undefined && { protectedPaths: yield* protectedIn(listed) }),
  }
  return input
})

/** The input of the last snapshot; `undefined` if another process read it. */
export const inputOf = Effect.fnUntraced(function* (last: ReadResult | undefined) {
  if (last?.basis === undefined) return undefined
  const { model } = yield* Settings
  const { resources, offerings, lookups } = last.basis
  const decoded = yield* decodeRows(resources.rows, model, offerings.own)
  const input: HierarchyInput = {
    decoded: yield* resourcesIn(decoded.rows),
    customers: listsOf(lookups),
    gids: lookups.gids,
    settings: model,
    offerings: offerings.own,
    protectedPaths: yield* protectedIn(last.taken.snapshot),
  }
  return input
})
