/** Explains where an entry comes from, or why it is absent, from rows that this process holds or reads now. */
import { cooperatively } from "@cscs/http-transport"
import {
  buildHierarchy,
  type Explanation,
  explaining,
  type HierarchyInput,
  type Lookup,
  parseLookup,
} from "@cscs/storage-model"
import { WaldurClient } from "@cscs/waldur-client"
import { Effect } from "effect"
import { distance } from "fastest-levenshtein"
import { Settings } from "../config/settings.ts"
import { decodeRows, neededBy, resourcesIn } from "./decoded-rows.ts"
import { lookupSession, readLists } from "./lookups.ts"
import { protectedBy } from "./loss-guard.ts"
import { type ReadResult, readOfferings, resourceQuery } from "./read-snapshot.ts"

/** The model's explanation, with facts that only the upstreams' data provides. */
export interface EntryExplanation extends Explanation {
  /** Slugs of the offerings that were read: nothing else can be found. */
  readonly offerings: ReadonlyArray<string>
  /** If nothing was found: at most three existing names of the same kind, the nearest first. */
  readonly nearest: ReadonlyArray<string>
}

/** @param text a UUID, a slug or a mount point, as a person types it; see `parseLookup` of the model */
export const explanationIn = Effect.fnUntraced(function* (input: HierarchyInput, text: string) {
  const { passes, end } = explaining(input, parseLookup(text))
  for (const pass of passes) yield* pass(cooperatively)
  const explanation = end()
  return {
    ...explanation,
    offerings: input.settings.storageSystems.map(({ offeringSlug }) => offeringSlug),
    nearest: explanation.found.length > 0 ? [] : nearestTo(explanation.ask, input),
  } satisfies EntryExplanation
})

/** All input of the tree, read now; unlike a refresh it continues if the HPC User API fails. */
export const inputReadNow = Effect.gen(function* () {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  const session = yield* lookupSession(undefined)
  const { own } = yield* readOfferings(undefined)
  const { rows } = yield* waldur.readResources(yield* resourceQuery)
  const decoded = yield* decodeRows(rows, model, own)
  const lookups = yield* session.resolve(neededBy(decoded))
  const input: HierarchyInput = {
    decoded: resourcesIn(decoded.rows),
    customers: readLists(lookups),
    gids: lookups.gids,
    settings: model,
    offerings: own,
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
    decoded: resourcesIn(decoded.rows),
    customers: readLists(lookups),
    gids: lookups.gids,
    settings: model,
    offerings: offerings.own,
    protectedPaths: last.taken.snapshot.invisiblePaths.map(({ offeringSlug, path }) => protectedBy(offeringSlug, path)),
  }
  return input
})

/** Existing names within the number of typing errors that is tolerated. */
const nearestTo = (lookup: Lookup, input: HierarchyInput): ReadonlyArray<string> => {
  const wanted = "path" in lookup ? lookup.path : "uuid" in lookup ? lookup.uuid : lookup.slug
  const most = Math.max(2, Math.ceil(wanted.length / 4))
  return (
    [...new Set(namesFor(lookup, input))]
      // The distance is at least the difference in length, and comparing a huge text would take long.
      .filter((name) => name.startsWith(wanted) || Math.abs(name.length - wanted.length) <= most)
      .map((name) => ({ name, away: name.startsWith(wanted) ? 0 : distance(wanted, name) }))
      .filter(({ away }) => away <= most)
      .sort((a, b) => a.away - b.away || (a.name < b.name ? -1 : 1))
      .slice(0, 3)
      .map(({ name }) => name)
  )
}

const namesFor = (lookup: Lookup, input: HierarchyInput): ReadonlyArray<string> => {
  const { resources } = input.decoded
  if ("uuid" in lookup) return resources.map(({ uuid }) => uuid)
  if ("path" in lookup) return buildHierarchy(input).entries.map(({ entry }) => entry.mountPoint.default)
  return resources.flatMap(({ slug, project_slug, customer_slug, provider_slug }) => [
    slug,
    project_slug,
    customer_slug,
    provider_slug,
  ])
}
