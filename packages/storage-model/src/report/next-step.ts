/** The next step for a resource: what must happen for it to appear in the list, or to reach its next state. */
import type { StorageEntry } from "../entry/storage-entry.ts"
import { waitsForConsumer } from "../rules/lifecycle.ts"
import type { WaldurOrder } from "../waldur/resource.ts"
import type { SkipCode, Skipped } from "./finding.ts"

/** What kind of thing must happen next. */
export type NextCode =
  /** A field must be corrected in Waldur. */
  | "mend-field"
  /** The project needs a group with a GID at the HPC User API. */
  | "create-group"
  /** The HPC User API must become available again. */
  | "restore-hpc-user-api"
  /** The live resource at the mount point must be moved or removed. */
  | "free-path"
  /** The consumer's side must approve the order, or its start date must arrive. */
  | "approve-order"
  /** The provider must accept or reject the order. */
  | "accept-order"
  /** The provisioner must do the work and report it. */
  | "report-done"
  /** The state must be set in Waldur: no order would change it, or the resource is Erred. */
  | "set-state"
  /** The offering must be configured as a storage system, if it is storage. */
  | "configure-offering"
  /** Nothing to do. */
  | "none"

/** What must happen for a resource to appear in the list, or to reach its next state. */
export interface NextStep {
  readonly code: NextCode
  /** The role that can do it. */
  readonly by: "consumer" | "provider" | "provisioner" | "operator" | "none"
  /** The step as a sentence. */
  readonly what: string
}

/** What must happen for a skipped resource to appear. */
export const nextOfSkipped = (skipped: Skipped): NextStep => afterSkip[skipped.code](skipped)

const afterSkip: Readonly<Record<SkipCode, (skipped: Skipped) => NextStep>> = {
  "bad-data": ({ field, reason }) => ({
    code: "mend-field",
    by: "provider",
    // Which paths may be served is a setting of the proxy, so the path may be right.
    what: `Correct ${field || "the record"} in Waldur${field === "backend_id" ? ", or backend_settings.mount_roots of the proxy" : ""}: ${reason}`,
  }),
  "gid-unknown": ({ found }) => ({
    code: "create-group",
    by: "operator",
    what: `Give the project ${String(found)} a usable GID in the HPC User API; it is queried again after a minute`,
  }),
  "gid-unavailable": () => ({
    code: "restore-hpc-user-api",
    by: "operator",
    what: "Restore the HPC User API or the connection to it; `storage-proxy check` tests both",
  }),
  "removal-of-live-path": ({ found }) => ({
    code: "free-path",
    by: "provider",
    what: `Keep ${String(found)}, or free it in Waldur: give the resource that is or may be live there another backend_id, remove it too, or correct its record`,
  }),
  "removal-without-order": () => ({
    code: "set-state",
    by: "provider",
    what: "Find out in Waldur why it is being removed without a Terminate order, then order its removal or set its state; nothing is removed until then",
  }),
  "order-not-approved": ({ found }) => approval(String(found)),
  "foreign-offering": ({ found }) => ({
    code: "configure-offering",
    by: "operator",
    what: `Add the offering ${String(found)} to storage_systems, if it is storage`,
  }),
  duplicate: () => ({ code: "none", by: "none", what: "Nothing: the other record with the same uuid is used" }),
}

const approval = (orderState: string): NextStep => ({
  code: "approve-order",
  by: "consumer",
  what:
    orderState === "pending-start-date"
      ? "Nothing until the order's start date, when Waldur continues on its own"
      : `The consumer's side approves the order in Waldur, which is ${orderState}`,
})

/** What must happen for a served resource to reach its next state, by the table of docs/integrators.md, "What to do". */
export const nextOfEntry = (entry: StorageEntry, order: WaldurOrder | null | undefined): NextStep => {
  if (entry.status === "removed") return { code: "none", by: "none", what: "Nothing: it is terminated in Waldur" }
  if (waitsForConsumer(order)) return approval(order?.state ?? "")
  if (entry.approve_by_provider_url !== undefined) {
    return {
      code: "accept-order",
      by: "provider",
      what: "Accept the order with approve_by_provider_url, or reject it with reject_by_provider_url",
    }
  }
  // An executing order does not change what an Erred resource needs: a report could overtake Waldur's worker.
  if (entry.set_state_done_url !== undefined && entry.status !== "error") {
    return {
      code: "report-done",
      by: "provisioner",
      what: `${work[entry.status]}, then call set_state_done_url, or set_state_erred_url with the error`,
    }
  }
  if (entry.status === "active") return { code: "none", by: "none", what: "Nothing: it is in service" }
  const way = entry.set_state_ok_url === undefined ? "in Waldur" : "with set_state_ok_url"
  const why = entry.status === "error" ? "" : ", since no order can be reported as done"
  return { code: "set-state", by: "provider", what: `Correct the problem and set its state ${way}${why}` }
}

const work = {
  pending: "Create the directory",
  // Waldur's worker has not started the order: a report now would leave the resource Updating or Terminating.
  active: "Wait until it is updating or removing, do the work",
  updating: "Set the new quotas",
  removing: "Remove the directory",
}
