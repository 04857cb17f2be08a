/** Explains for a command where an entry comes from, or why it is absent. */
import type { InvalidProxy } from "@cscs/http-transport"
import { buildHierarchy, type Explanation, type HierarchyInput, type Lookup } from "@cscs/storage-model"
import { Effect } from "effect"
import { nearestNames } from "../config/nearest-names.ts"
import type { ProxySettings } from "../config/settings.ts"
import { explanationIn, inputReadNow } from "../refresh/explanation.ts"
import type { RefreshError } from "../refresh/refresh-errors.ts"
import { type OnProgress, onceLayer } from "./read-once.ts"

/** The model's explanation, with what helps if nothing was found. */
export interface EntryExplanation extends Explanation {
  /** Slugs of the configured offerings: only their resources are searched. */
  readonly offerings: ReadonlyArray<string>
  /**
   * If nothing was found: at most three existing names of the same kind, those that begin with the text before those that
   * resemble it.
   */
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
    const input = yield* inputReadNow()
    const explanation = yield* explanationIn(input, text)
    return { ...explanation, nearest: explanation.found.length > 0 ? [] : nearestTo(explanation.ask, input) }
  }).pipe(Effect.scoped, Effect.provide(onceLayer(settings, onProgress)))

/** Existing names that begin with the text, and those that differ from it by a few typing errors. */
const nearestTo = (lookup: Lookup, input: HierarchyInput): ReadonlyArray<string> => {
  const wanted = "path" in lookup ? lookup.path : "uuid" in lookup ? lookup.uuid : lookup.slug
  const names = [...new Set(namesFor(lookup, input))].sort()
  const longer = names.filter((name) => name.startsWith(wanted))
  const similar = nearestNames(wanted, names, Math.max(2, Math.ceil(wanted.length / 4)))
  return [...new Set([...longer, ...similar])].slice(0, 3)
}

const namesFor = (lookup: Lookup, input: HierarchyInput): ReadonlyArray<string> => {
  const { resources } = input.decoded
  if ("uuid" in lookup) {
    return resources.flatMap(({ uuid, customer_uuid, offering_uuid }) =>
      [uuid, customer_uuid, offering_uuid].filter((each) => typeof each === "string"),
    )
  }
  if ("path" in lookup) return buildHierarchy(input).entries.map(({ entry }) => entry.mountPoint.default)
  return resources.flatMap(({ slug, project_slug, customer_slug, provider_slug }) => [
    slug,
    project_slug,
    customer_slug,
    provider_slug,
  ])
}
