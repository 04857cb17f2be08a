import type { StorageEntry } from "../entry/storage-entry.ts"
import { waitsForConsumer } from "../rules/lifecycle.ts"
import type { WaldurOrder } from "../waldur/resource.ts"
import type { SkipCode, Skipped } from "./finding.ts"

/** What kind of thing must happen next. */
export type NextCode =
  /** A field must be mended in Waldur. */
  | "mend-field"
  /** The project needs a group with a GID at the HPC User API. */
  | "create-group"
  /** The HPC User API must answer again. */
  | "restore-hpc-user-api"
  /** The live resource at the mount point must go elsewhere, or go. */
  | "free-path"
  /** The consumer's side must agree to the order, or its start date come. */
  | "approve-order"
  /** The provider must accept the order, or refuse it. */
  | "accept-order"
  /** The provisioner must do the work and report it. */
  | "report-done"
  /** Waldur has no order that would change the state: somebody must set it. */
  | "set-state"
  /** The offering must be one of the configured storage systems, if it is storage at all. */
  | "configure-offering"
  /** Nothing: it is as it should be. */
  | "none"

/** What must happen for a resource to appear in the list, or to move on. */
export interface NextStep {
  readonly code: NextCode
  /** Who can do it. */
  readonly by: "consumer" | "provider" | "provisioner" | "operator" | "nobody"
  /** In words. */
  readonly what: string
}

/** What must happen for a resource that is left out to appear. */
export const nextOfSkipped = (skipped: Skipped): NextStep => afterSkip[skipped.code](skipped)

const afterSkip: Readonly<Record<SkipCode, (skipped: Skipped) => NextStep>> = {
  "bad-data": ({ field, reason }) => ({
    code: "mend-field",
    by: "provider",
    what: `Mend ${field || "the record"} in Waldur: ${reason}`,
  }),
  "gid-unknown": ({ found }) => ({
    code: "create-group",
    by: "operator",
    what: `Give the project ${String(found)} a usable GID at the HPC User API, which is asked again after a minute`,
  }),
  "gid-unavailable": () => ({
    code: "restore-hpc-user-api",
    by: "operator",
    what: "Bring the HPC User API back, or the way to it: `storage-proxy check` tries both",
  }),
  "removal-of-live-path": ({ found }) => ({
    code: "free-path",
    by: "provider",
    what: `Keep ${String(found)}, or free it in Waldur: what is or may be live there gets another backend_id, goes too, or has its record mended`,
  }),
  "removal-without-order": () => ({
    code: "set-state",
    by: "provider",
    what: "Find out in Waldur why it is Terminating without an order that asks for it, and order its removal or set its state: nothing is removed until then",
  }),
  "order-not-approved": ({ found }) => ({ ...approval(String(found)) }),
  "foreign-offering": ({ found }) => ({
    code: "configure-offering",
    by: "operator",
    what: `Name the offering ${String(found)} in storage_systems, if it is storage`,
  }),
  duplicate: () => ({ code: "none", by: "nobody", what: "Nothing: the other record of the same uuid stands for it" }),
}

const approval = (orderState: string): NextStep => ({
  code: "approve-order",
  by: "consumer",
  what:
    orderState === "pending-start-date"
      ? "Nothing before the order's start date, when Waldur goes on by itself"
      : `The consumer's side approves the order in Waldur, which is ${orderState}`,
})

/** What must happen for a resource that is served to move on: its status, and where it may be reported, tell. */
export const nextOfEntry = (entry: StorageEntry, order: WaldurOrder | null | undefined): NextStep => {
  if (waitsForConsumer(order)) return approval(order?.state ?? "")
  if (entry.approve_by_provider_url !== undefined) {
    return {
      code: "accept-order",
      by: "provider",
      what: "Accept the order by approve_by_provider_url, or refuse it by reject_by_provider_url",
    }
  }
  if (entry.set_state_done_url !== undefined) {
    return {
      code: "report-done",
      by: "provisioner",
      what: `${work[entry.status]}, then report set_state_done_url, or set_state_erred_url with what went wrong`,
    }
  }
  if (entry.status === "active") return { code: "none", by: "nobody", what: "Nothing: it is in service" }
  if (entry.status === "removed") return { code: "none", by: "nobody", what: "Nothing: it is gone in Waldur" }
  const way = entry.set_state_ok_url === undefined ? "in Waldur" : "by set_state_ok_url"
  const why = order === undefined || order === null ? "no order is in progress" : "its order tells nothing to report"
  return { code: "set-state", by: "provider", what: `Mend what is wrong and set its state ${way}, for ${why}` }
}

const work: Readonly<Record<StorageEntry["status"], string>> = {
  pending: "Create the directory",
  active: "Do what the order says",
  error: "Mend what is wrong",
  updating: "Set the new quotas",
  removing: "Remove the directory",
  removed: "Remove the directory",
}
