/** Conditions of each item, as `status` shows them and metrics count them. Pure. */
import { gidOf, keyOf, type StorageEntry } from "@cscs/storage-model"
import { type Decision, decide, orderStateOf } from "../plan/decide.ts"
import type { PlanItem } from "../plan/plan.ts"
import type { Scope } from "./cycle.ts"
import { digestOf } from "./cycle-memory.ts"
import { type ItemResult, isSuccess } from "./perform.ts"

export interface Condition {
  readonly status: "True" | "False" | "Unknown"
  /** One word for programs. */
  readonly reason: string
  readonly message?: string
  /** When the status last changed, ISO 8601. */
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

type Assessment = Omit<Condition, "since">

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
    readonly wasExamined: (key: string) => boolean
  },
  now: string,
): Statuses => {
  const planned = new Map(about.planned.map((item) => [item.key, item]))
  const results = new Map(about.results.map((result) => [result.item.key, result]))
  return Object.fromEntries(
    entries.map((entry) => {
      const key = keyOf(entry)
      const old = before[key]
      if (old !== undefined && !about.wasExamined(key)) return [key, old]
      const assessed = about.wasExamined(key) ? assess(entry, planned.get(key), results.get(key)) : notExamined(entry)
      const conditionOf = (name: keyof ItemStatus["conditions"]): Condition => {
        const previous = old?.conditions[name]
        return { ...assessed[name], since: previous?.status === assessed[name].status ? previous.since : now }
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
          DirectoryReady: conditionOf("DirectoryReady"),
          QuotaApplied: conditionOf("QuotaApplied"),
          Reported: conditionOf("Reported"),
        },
      }
      return [key, status]
    }),
  )
}

/** The conditions that a cycle for this scope leaves as they are. Those in its scope are of what it lists. */
export const outOfScope = (statuses: Statuses, { system, only }: Scope): Statuses =>
  Object.fromEntries(
    Object.entries(statuses).filter(
      ([, item]) => (system !== undefined && item.system !== system) || (only !== undefined && item.itemId !== only),
    ),
  )

type Assessments = Readonly<Record<keyof ItemStatus["conditions"], Assessment>>

/** For an entry that no cycle has examined yet, such as a new one that is held. */
const notExamined = (entry: StorageEntry): Assessments => {
  const unknown: Assessment = { status: "Unknown", reason: "NotExamined" }
  return { DirectoryReady: unknown, QuotaApplied: unknown, Reported: reportCondition(entry, undefined, {}) }
}

const assess = (entry: StorageEntry, item: PlanItem | undefined, result: ItemResult | undefined): Assessments => {
  const failed = result?.results.find(({ outcome }) => !isSuccess(outcome))
  const message = messageOf(failed?.detail ?? item?.note)
  const decision = decide(entry)
  const directory = directoryCondition(entry, decision, item, result, failed, message)
  // During an Update the new quotas are applied.
  const quotas = decision.kind === "keep" ? decision.quotas : entry.quotas
  const isWithoutQuota = quotas === null && directory.status === "True"
  return {
    DirectoryReady: directory,
    QuotaApplied: isWithoutQuota ? { status: "Unknown", reason: "NoQuotaListed" } : directory,
    Reported: item?.isOnlyOrder
      ? { status: "False", reason: "NeedsPerson", ...messageOf(item.note) }
      : reportCondition(entry, result, message),
  }
}

type Message = Pick<Assessment, "message">
const messageOf = (message: string | undefined): Message => (message === undefined ? {} : { message })

/** @param failed the item's act that failed in this cycle, if any */
const directoryCondition = (
  { status }: StorageEntry,
  decision: Decision,
  item: PlanItem | undefined,
  result: ItemResult | undefined,
  failed: ItemResult["results"][number] | undefined,
  message: Message,
): Assessment => {
  if (failed !== undefined && !("url" in failed.act)) {
    return { status: failed.outcome === "UnknownOutcome" ? "Unknown" : "False", reason: failed.outcome, ...message }
  }
  if (item?.sign === "!" && item.isOnlyOrder !== true) return { status: "False", reason: "NeedsPerson", ...message }
  // Nothing was done on the disk in this cycle: whether it is as the order asks is unknown.
  if (item?.acts.some(({ act }) => act === "erred")) return { status: "Unknown", reason: "GivenUp" }
  const isInService = status === "active" || status === "updating"
  // No act on the disk failed.
  const isAsListed = decision.kind === "keep" && (isInService || result !== undefined)
  // The folder of a tenant or customer exists if there is nothing to do for it.
  if (isAsListed || decision.kind === "parent") return { status: "True", reason: "AsListed" }
  // Such as an Update that waits for approval: nothing is looked at before that.
  return { status: "Unknown", reason: isInService ? "NotExamined" : "NotRequired" }
}

const reportCondition = (entry: StorageEntry, result: ItemResult | undefined, message: Message): Assessment => {
  const last = result?.results.findLast(({ act }) => "url" in act)
  if (last?.outcome === "done") return { status: "True", reason: last.act.act }
  if (last !== undefined) {
    return { status: last.outcome === "unknown" ? "Unknown" : "False", reason: last.outcome, ...message }
  }
  switch (orderStateOf(entry)) {
    case "waiting":
      return { status: "Unknown", reason: "AwaitsApproval" }
    case "executing":
      return { status: "False", reason: "OrderInProgress" }
    case "none":
      return { status: "True", reason: "NothingToReport" }
  }
}
