/** What an entry requires, by its status and order: the table of docs/integrators.md, "What to do". */
import { type EntryStatus, isOfResource, type Quota, type StorageEntry } from "@cscs/storage-model"

/** What to do with an entry, decided before the disk is read. */
export type Decision =
  /** Create the directory of a tenant or customer if it is missing. */
  | { readonly kind: "parent" }
  /** Approve the order, or reject it; change nothing on the disk. */
  | { readonly kind: "review" }
  /** Keep the directory as listed. */
  | {
      readonly kind: "keep"
      /** `null` leaves the current quotas unchanged. */
      readonly quotas: ReadonlyArray<Quota> | null
      /** What follows: approve or reject the waiting order, or report the executing one as done. */
      readonly then: "nothing" | "review" | "report"
    }
  /** Move the directory to the trash, then report the order done. */
  | { readonly kind: "trash" }
  | {
      readonly kind: "nothing"
      /** What an operator must resolve if it persists. `removed-but-present` only if the journal still has the directory. */
      readonly alert?: "order-ended-early" | "removal-without-order" | "removed-but-present"
    }

/** An order in progress: `waiting` for the provider's approval, or `executing`. */
export type OrderState = "waiting" | "executing" | "none"

export const orderStateOf = (entry: StorageEntry): OrderState =>
  entry.approve_by_provider_url !== undefined
    ? "waiting"
    : entry.set_state_erred_url !== undefined
      ? "executing"
      : "none"

/** One row: the first that matches decides. A missing column matches everything. */
interface Row {
  readonly status?: ReadonlyArray<EntryStatus>
  readonly order?: OrderState
  /** Whether it is the entry of a tenant or customer. */
  readonly isParent?: true
  readonly decide: (entry: StorageEntry) => Decision
}

const keep =
  (then: "nothing" | "review" | "report", quotasOf = ({ quotas }: StorageEntry) => quotas) =>
  (entry: StorageEntry): Decision => ({ kind: "keep", quotas: quotasOf(entry), then })
const nothing = (alert?: Extract<Decision, { kind: "nothing" }>["alert"]) => (): Decision =>
  alert === undefined ? { kind: "nothing" } : { kind: "nothing", alert }
const newQuotas = ({ quotas, newQuotas }: StorageEntry) => (newQuotas === undefined ? quotas : newQuotas)

/** In the order of the document. */
export const decisions: ReadonlyArray<Row> = [
  { isParent: true, status: ["pending"], decide: () => ({ kind: "parent" }) },
  { isParent: true, decide: nothing() },
  { status: ["pending", "updating", "removing", "error"], order: "waiting", decide: () => ({ kind: "review" }) },
  { status: ["pending"], order: "executing", decide: keep("report") },
  { status: ["pending"], decide: nothing() },
  { status: ["active"], order: "waiting", decide: keep("review") },
  // Waldur's worker has not started the order: a report now would leave the resource in its state permanently.
  { status: ["active"], order: "executing", decide: keep("nothing") },
  { status: ["active"], decide: keep("nothing") },
  { status: ["updating"], order: "executing", decide: keep("report", newQuotas) },
  { status: ["updating"], decide: nothing("order-ended-early") },
  { status: ["removing"], order: "executing", decide: () => ({ kind: "trash" }) },
  { status: ["removing"], decide: nothing("removal-without-order") },
  { status: ["error"], decide: nothing() },
  { status: ["removed"], decide: nothing("removed-but-present") },
]

/** The decision of the first row that matches; `nothing` if none does. */
export const decide = (entry: StorageEntry): Decision => {
  const order = orderStateOf(entry)
  const row = decisions.find(
    (row) =>
      (row.isParent === undefined || !isOfResource(entry)) &&
      (row.status === undefined || row.status.includes(entry.status)) &&
      (row.order === undefined || row.order === order),
  )
  return row?.decide(entry) ?? { kind: "nothing" }
}
