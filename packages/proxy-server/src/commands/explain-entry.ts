/** Explains for a command where an entry comes from, or why it is absent. */
import type { InvalidProxy } from "@cscs/http-transport"
import { buildHierarchy, type Explanation, type HierarchyInput, type Lookup } from "@cscs/storage-model"
import { Effect } from "effect"
import { distance } from "fastest-levenshtein"
import type { ProxySettings } from "../config/settings.ts"
import { explanationIn, inputReadNow } from "../refresh/explanation.ts"
import type { RefreshError } from "../refresh/refresh-errors.ts"
import { type OnProgress, onceLayer } from "./read-once.ts"

/** The model's explanation, with facts that only the upstreams' data provides. */
export interface EntryExplanation extends Explanation {
  /** Slugs of the offerings that were read: nothing else can be found. */
  readonly offerings: ReadonlyArray<string>
  /** If nothing was found: at most three existing names of the same kind, the nearest first. */
  readonly nearest: ReadonlyArray<string>
}

/**
 * Reads all resources from Waldur, and what they need from the HPC User API, like a refresh, and explains where the
 * entries that `text` asks for come from, or why they are absent. Changes and stores nothing. Unlike a refresh it
 * continues if the HPC User API fails: that becomes a reason.
 *
 * @param text a UUID, a slug or a mount point, as a person types it; see `parseLookup` of the model
 */
export const explainEntry = (
  settings: ProxySettings,
  text: string,
  onProgress?: OnProgress,
): Effect.Effect<EntryExplanation, RefreshError | InvalidProxy> =>
  Effect.gen(function* () {
    const input = yield* inputReadNow
    const explanation = yield* explanationIn(input, text)
    return { ...explanation, nearest: explanation.found.length > 0 ? [] : nearestTo(explanation.ask, input) }
  }).pipe(Effect.scoped, Effect.provide(onceLayer(settings, onProgress)))

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
