/** Which entries wait for a step, by which role, and since when, by the model's rule. Pure. */
import { isOfResource, keyOf, type NextCode, type NextStep, nextOfEntry, type StorageEntry } from "@cscs/storage-model"

/** An entry that has not reached its final state, and the step that it waits for. */
export interface Waiting {
  readonly entry: StorageEntry
  readonly step: NextStep
  /** The entry's field with the URL that does or reports the step; `undefined` if the step is done in Waldur. */
  readonly callback: Callback | undefined
}

/** The sections of the view, in display order: every status, because an entry of any status can have an order. */
export const kinds = ["error", "removing", "updating", "pending", "active", "removed"] as const satisfies ReadonlyArray<
  StorageEntry["status"]
>

const callbacks = {
  "accept-order": "approve_by_provider_url",
  "report-done": "set_state_done_url",
  "set-state": "set_state_ok_url",
} as const satisfies Partial<Record<NextCode, keyof StorageEntry>>
type Callback = (typeof callbacks)[keyof typeof callbacks]

/** The step that is due for an entry; `undefined` if none is. Tenants and customers are always pending and wait for nothing. */
export const waitingOf = (entry: StorageEntry): Waiting | undefined => {
  if (!isOfResource(entry)) return undefined
  const step = nextOfEntry(entry, undefined)
  if (step.code === "none") return undefined
  const callback = callbacks[step.code as keyof typeof callbacks]
  return { entry, step, callback: callback !== undefined && entry[callback] !== undefined ? callback : undefined }
}

/** Since when this page has seen an entry wait. The list does not contain order times, so nothing better is known. */
export interface SeenWaiting {
  readonly status: StorageEntry["status"]
  /** In milliseconds since 1970. */
  readonly since: number
  /** Whether the page saw the wait begin; if not, the entry may have waited for much longer. */
  readonly isBeginning: boolean
}

/**
 * Since when each entry has been seen to wait, by key.
 *
 * @param before the result for the previous list; `undefined` if there is none with the same filter
 */
export const seenWaiting = (
  waiting: ReadonlyArray<Waiting>,
  before: ReadonlyMap<string, SeenWaiting> | undefined,
  readAt: number,
): ReadonlyMap<string, SeenWaiting> =>
  new Map(
    waiting.map(({ entry }) => {
      const [key, { status }] = [keyOf(entry), entry]
      const known = before?.get(key)
      return [key, known?.status === status ? known : { status, since: readAt, isBeginning: before !== undefined }]
    }),
  )
