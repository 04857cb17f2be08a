/** Which entries wait, for which role, and since when, by the rule of the model. Pure. */
import { isOfResource, keyOf, type NextCode, type NextStep, nextOfEntry, type StorageEntry } from "@cscs/storage-model"

/** An entry that has not reached its state, and the step that it waits for. */
export interface Waiting {
  readonly entry: StorageEntry
  readonly step: NextStep
  /** The entry's field with the URL by which the step is done or reported; `undefined` if it is done in Waldur. */
  readonly callback: Callback | undefined
}

/** The kinds of waiting, in the order in which they are shown: every status, for an order may wait for any entry. */
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

/** Since when this page has seen an entry wait. The list has no time of an order, so this is all that is known. */
export interface SeenWaiting {
  readonly status: StorageEntry["status"]
  /** In milliseconds since 1970. */
  readonly since: number
  /** Whether the page saw it begin; if not, it may have waited for much longer. */
  readonly isBeginning: boolean
}

/**
 * Since when what waits has been seen to, by key.
 *
 * @param before the same of the previous list; `undefined` if there is none with the same entries
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
