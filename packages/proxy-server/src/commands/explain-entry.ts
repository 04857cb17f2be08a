/** Explains for a command where an entry comes from, or why it is absent. */
import type { InvalidProxy } from "@cscs/http-transport"
import { Effect } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { type EntryExplanation, explanationIn, inputReadNow } from "../refresh/explanation.ts"
import type { RefreshError } from "../refresh/refresh-errors.ts"
import { type OnProgress, onceLayer } from "./read-once.ts"

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
  Effect.flatMap(inputReadNow, (input) => explanationIn(input, text)).pipe(
    Effect.scoped,
    Effect.provide(onceLayer(settings, onProgress)),
  )
