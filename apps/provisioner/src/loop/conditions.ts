/** Conditions of each item, as `status` shows them and metrics count them. Pure. */
import { gidOf, keyOf, type StorageEntry } from "@cscs/storage-model"
import { orderStateOf } from "../plan/decide.ts"
import type { PlanItem } from "../plan/plan.ts"
import { digestOf } from "./cycle.ts"
import type { ItemResult } from "./perform.ts"

export interface Condition {
  readonly status: "True" | "False" | "Unknown"
  /** One word for programs. */
  readonly reason: string
  readonly message?: string
  /** Since when the status is this one. */
  readonly since: string
}

export interface ItemStatus {
  readonly itemId: string
  readonly path: string
  readonly system: string
  readonly listedStatus: string
  readonly targetType: StorageEntry["target"]["targetType"]
  /** The Unix group of its directory; 0 for a tenant or customer. */
  readonly gid: number
  /** The digest of the entry that the conditions describe. */
  readonly digest: string
  readonly conditions: Readonly<Record<"DirectoryReady" | "QuotaApplied" | "Reported", Condition>>
}

/** Items by entry key. */
export type Statuses = Readonly<Record<string, ItemStatus>>

type Judgement = Omit<Condition, "since">

/**
 * The conditions after a cycle, from those before.
 *
 * @param now ISO 8601
 */
export const conditionsAfter = (
  before: Statuses,
  entries: ReadonlyArray<StorageEntry>,
  about: {
    readonly planned: ReadonlyArray<PlanItem>
    readonly results: ReadonlyArray<ItemResult>
    /** Entries that this cycle looked at or had a plan for; others keep their conditions. */
    readonly isJudged: (key: string) => boolean
  },
  now: string,
): Statuses => {
  const planned = new Map(about.planned.map((item) => [item.key, item]))
  const results = new Map(about.results.map((result) => [result.item.key, result]))
  return Object.fromEntries(
    entries.map((entry) => {
      const key = keyOf(entry)
      const old = before[key]
      if (old !== undefined && !about.isJudged(key)) return [key, old]
      const judged = assess(entry, planned.get(key), results.get(key))
      const since = (name: keyof ItemStatus["conditions"]): Condition => {
        const previous = old?.conditions[name]
        return { ...judged[name], since: previous?.status === judged[name].status ? previous.since : now }
      }
      const status: ItemStatus = {
        itemId: entry.itemId,
        path: entry.mountPoint.default,
        system: entry.storageSystem.key,
        listedStatus: entry.status,
        targetType: entry.target.targetType,
        // A tenant's and a customer's directory is root's.
        gid: gidOf(entry) ?? 0,
        digest: digestOf(entry),
        conditions: {
          DirectoryReady: since("DirectoryReady"),
          QuotaApplied: since("QuotaApplied"),
          Reported: since("Reported"),
        },
      }
      return [key, status]
    }),
  )
}

const assess = (
  entry: StorageEntry,
  item: PlanItem | undefined,
  result: ItemResult | undefined,
): Readonly<Record<keyof ItemStatus["conditions"], Judgement>> => {
  const failed = result?.results.find(({ outcome }) => !["made", "changed", "unchanged", "done"].includes(outcome))
  const isReport = failed !== undefined && "url" in failed.act
  const detail = failed?.detail ?? item?.note
  const message = detail === undefined ? {} : { message: detail }
  // The folder of a tenant or customer: nothing to do means that it is there.
  const isFolder = entry.target.targetType === "tenant" || entry.target.targetType === "customer"
  const onDisk: Judgement =
    failed !== undefined && !isReport
      ? { status: failed.outcome === "UnknownOutcome" ? "Unknown" : "False", reason: failed.outcome, ...message }
      : item?.sign === "!"
        ? { status: "False", reason: "NeedsPerson", ...message }
        : entry.status === "active" ||
            entry.status === "updating" ||
            (entry.status === "pending" && (result?.isDone || isFolder))
          ? { status: "True", reason: "AsListed" }
          : { status: "Unknown", reason: "NotRequired" }
  const reports = result?.results.filter(({ act }) => "url" in act) ?? []
  const lastReport = reports.at(-1)
  return {
    DirectoryReady: onDisk,
    QuotaApplied:
      entry.quotas === null && onDisk.status === "True" ? { status: "Unknown", reason: "NoQuotaListed" } : onDisk,
    Reported:
      lastReport === undefined
        ? orderStateOf(entry) === "executing"
          ? { status: "False", reason: "OrderInProgress" }
          : { status: "True", reason: "NothingToReport" }
        : lastReport.outcome === "done"
          ? { status: "True", reason: lastReport.act.act }
          : { status: lastReport.outcome === "unknown" ? "Unknown" : "False", reason: lastReport.outcome, ...message },
  }
}
