/** Which entries wait, and for whom: by the model's own rule. Pure. */
import { type NextCode, type NextStep, nextOfEntry, type StorageEntry } from "@cscs/storage-model"

/** An entry that has not reached its state, and the step that it waits for. */
export interface Waiting {
  readonly entry: StorageEntry
  readonly step: NextStep
  /** The URL with which the step is done or reported; `undefined` if it is done in Waldur. */
  readonly url: string | undefined
}

/** The kinds of waiting, in the order in which they are shown. */
export const kinds = ["error", "removing", "updating", "pending"] as const

const urlOf = (entry: StorageEntry, code: NextCode): string | undefined =>
  code === "accept-order"
    ? entry.approve_by_provider_url
    : code === "report-done"
      ? entry.set_state_done_url
      : code === "set-state"
        ? entry.set_state_ok_url
        : undefined

/** The project and user entries for which a step is due. Tenants and customers are always pending and wait for nothing. */
export const waitingIn = (entries: ReadonlyArray<StorageEntry>): ReadonlyArray<Waiting> =>
  entries.flatMap((entry) => {
    const { targetType } = entry.target
    if (targetType === "tenant" || targetType === "customer") return []
    const step = nextOfEntry(entry, undefined)
    return step.code === "none" ? [] : [{ entry, step, url: urlOf(entry, step.code) }]
  })
