/**
 * Plans a cycle: from the whole list and what was observed on the disk, the acts to perform, as data. Pure: it reads and changes
 * nothing.
 */
import type { EntryList } from "@cscs/storage-client"
import { keyOf, type StorageEntry } from "@cscs/storage-model"
import type { DriverError, Listed, Observed, Whereabouts } from "../drivers/driver.ts"
import type { ItemRecord } from "../journal/journal.ts"
import { type Claims, claimsOf } from "./claims.ts"
import { type Decision, decide, orderStateOf } from "./decide.ts"

/** One step of an entry's plan; the next is taken only if it succeeds. Paths are mount points. */
export type Act =
  | { readonly act: "folder"; readonly path: string; readonly mode: number }
  | { readonly act: "create" | "change"; readonly listed: Listed; readonly differences: ReadonlyArray<string> }
  | { readonly act: "move"; readonly from: string; readonly to: string }
  | { readonly act: "restore"; readonly to: string }
  | { readonly act: "trash"; readonly path: string; readonly order: string }
  | { readonly act: "approve" | "reject" | "done"; readonly url: string; readonly reason?: string }
  | { readonly act: "backend-id"; readonly url: string; readonly path: string }
  | { readonly act: "erred"; readonly url: string; readonly message: string }

/** `+` creates, `~` changes or reports, `-` removes, `!` needs an operator. */
export type Sign = "+" | "~" | "-" | "!"

/** What to do for one entry. */
export interface PlanItem {
  readonly sign: Sign
  /** `itemId` and mount point, which together identify an entry; a made-up name if the entry is not understood. */
  readonly key: string
  readonly itemId: string
  readonly path: string
  readonly system: string
  /** UUID of the order in progress. */
  readonly order?: string
  readonly acts: ReadonlyArray<Act>
  /** Why nothing is done, or less than the list requires. */
  readonly note?: string
  /** Only the order, which waits for approval, needs an operator: the directory is as listed, or is after these acts. */
  readonly isOnlyOrder?: true
  /** A removal that waits for the next poll, because of the limit. */
  readonly isOverLimit?: true
}

export interface Plan {
  readonly etag: string
  readonly counts: Readonly<Record<Sign, number>>
  readonly items: ReadonlyArray<PlanItem>
}

/** What was observed of an entry on the disk; of a parent, only `atPath`, and of an order to review, only `free`. */
export type Observation =
  | {
      readonly whereabouts: Whereabouts
      /** The directory as the entry's decision requires it; absent if it requires none. */
      readonly listed?: Listed
      /** What is at the entry's mount point. */
      readonly atPath: Observed | null
      /** How what is at the mount point differs from what is listed. */
      readonly differences: ReadonlyArray<string>
      /** Free bytes of the file system, for an order that waits for approval; absent if the file system does not report them. */
      readonly free?: bigint
    }
  | DriverError

export type Verdict = { readonly verdict: "approve" } | { readonly verdict: "reject" | "wait"; readonly reason: string }

/** The policy of orders that wait for the provider's approval. */
export type Policy = (entry: StorageEntry, facts: { readonly free: bigint | undefined }) => Verdict

export interface PlanInput {
  /** The whole list, in which all entries have claims. The directories of those that are not understood stay unchanged. */
  readonly list: Pick<EntryList, "etag" | "entries" | "notUnderstood">
  /** The entries to plan for. */
  readonly entries: ReadonlyArray<StorageEntry>
  /** By entry key; an entry without an observation was not observed, and nothing is done for it. */
  readonly observations: ReadonlyMap<string, Observation>
  readonly journal: ReadonlyMap<string, ItemRecord>
  /** Entries for which nothing is done in this cycle, by key: they wait for a list after their report, or for a retry. */
  readonly held: ReadonlySet<string>
  readonly settings: {
    readonly policy: Policy
    /** How many removals the plan may have. */
    readonly maxRemovals: number
    /** Failures of the provisioner's own acts after which an order is reported as erred. */
    readonly erredAfter: number
    readonly reportsBackendId: boolean
    /** Whether the list is recent enough for removals. */
    readonly mayRemove: boolean
  }
}

/** The UUID of the order in a callback URL; `undefined` if it has none. */
export const orderOf = (url: string | undefined): string | undefined =>
  /\/marketplace-orders\/([0-9a-f-]{32,36})\//i.exec(url ?? "")?.[1]

/** What the customer reads about an order that failed. */
const erredMessage = (itemId: string) =>
  `The order could not be carried out. The storage administrators have the details under ${itemId}.`

export const plan = (input: PlanInput): Plan => {
  const { etag, entries, notUnderstood } = input.list
  const claims = claimsOf(entries, notUnderstood, input.journal)
  const items: Array<PlanItem> = notUnderstood.map(({ itemId, reason }, index) => ({
    sign: "!",
    key: `not understood ${index}`,
    itemId: itemId ?? "",
    path: "",
    system: "",
    acts: [],
    note: `the entry is not understood: ${reason}`,
  }))
  let removals = 0
  for (const entry of input.entries) {
    if (input.held.has(keyOf(entry))) continue
    const found = planEntry(entry, input, claims)
    if (found === undefined) continue
    const removes = found.acts.some(({ act }) => act === "trash")
    if (removes) removals += 1
    items.push(
      removes && removals > input.settings.maxRemovals
        ? {
            ...found,
            sign: "!",
            acts: [],
            isOverLimit: true,
            note: "held back: no more removals are allowed before the next poll",
          }
        : found,
    )
  }
  const count = (sign: Sign) => items.filter((item) => item.sign === sign).length
  return { etag, counts: { "+": count("+"), "~": count("~"), "-": count("-"), "!": count("!") }, items }
}

/** An entry while it is planned. */
interface Planning {
  readonly entry: StorageEntry
  readonly input: PlanInput
  readonly claims: Claims
  readonly base: Omit<PlanItem, "sign" | "acts">
}

const planEntry = (entry: StorageEntry, input: PlanInput, claims: Claims): PlanItem | undefined => {
  const order = orderOf(entry.set_state_done_url)
  const planning: Planning = {
    entry,
    input,
    claims,
    base: {
      key: keyOf(entry),
      itemId: entry.itemId,
      path: entry.mountPoint.default,
      system: entry.storageSystem.key,
      ...(order === undefined ? {} : { order }),
    },
  }
  const { base } = planning
  const decision = decide(entry)
  if (decision.kind === "nothing") return alertOf(decision, planning)
  const conflict = decision.kind === "parent" ? undefined : claims.conflictOf(entry)
  if (conflict !== undefined) return needsOperator(planning, conflict)
  const observation = input.observations.get(base.key)
  if (observation === undefined) return undefined
  if ("_tag" in observation) return needsOperator(planning, `${observation._tag}: ${observation.message}`)
  switch (decision.kind) {
    case "parent": {
      const mode = Number.parseInt(entry.permission.value, 8)
      return observation.atPath === null ? item(planning, "+", [{ act: "folder", path: base.path, mode }]) : undefined
    }
    case "review": {
      const reviewed = review(entry, input, observation.free)
      return typeof reviewed === "string" ? needsOperator(planning, reviewed) : item(planning, "~", reviewed)
    }
    case "keep":
      return planKept(planning, decision, observation)
    case "trash":
      return planRemoval(planning, observation)
  }
}

const needsOperator = ({ base }: Planning, note: string): PlanItem => ({ ...base, sign: "!", acts: [], note })

const item = ({ base }: Planning, sign: Sign, acts: ReadonlyArray<Act>): PlanItem | undefined =>
  acts.length === 0 ? undefined : { ...base, sign, acts }

/** An observation that succeeded. */
type Found = Exclude<Observation, DriverError>

const planKept = (
  planning: Planning,
  { then }: Extract<Decision, { kind: "keep" }>,
  { whereabouts, listed, atPath, differences, free }: Found,
): PlanItem | undefined => {
  const { entry, input, claims, base } = planning
  const { itemId, path } = base
  if (listed === undefined) return undefined
  const acts: Array<Act> = []
  let sign: Sign = "~"
  const isThere = whereabouts.at === "path" && whereabouts.path === path
  if (isThere) {
    if (atPath === null) return needsOperator(planning, "the directory was not found where it was seen a moment ago")
    if (differences.length > 0) acts.push({ act: "change", listed, differences })
  } else {
    if (atPath !== null) return needsOperator(planning, foreign(atPath, planning))
    if (whereabouts.at === "nowhere") {
      const known = input.journal.get(itemId)?.path
      if (known !== undefined) {
        return needsOperator(planning, `its directory was ${known}, and is gone; it is not made again over lost data`)
      }
      sign = "+"
    } else if (whereabouts.at === "trash") acts.push({ act: "restore", to: path })
    else {
      const other = claims.otherBelow(whereabouts.path, itemId)
      if (other !== undefined) return needsOperator(planning, contains(other))
      acts.push({ act: "move", from: whereabouts.path, to: path })
    }
    acts.push({ act: whereabouts.at === "nowhere" ? "create" : "change", listed, differences: [] })
  }
  if (then === "report") {
    if (hasFailed(planning)) return item(planning, "~", erred(planning, isThere))
    acts.push(...backendId(planning), ...reportDone(entry))
  }
  if (then === "review") {
    const reviewed = review(entry, input, free)
    // The directory is kept as listed, whatever the outcome of the order.
    if (typeof reviewed === "string") {
      return { ...base, sign: acts.length === 0 ? "!" : sign, acts, note: reviewed, isOnlyOrder: true }
    }
    acts.push(...reviewed)
  }
  return item(planning, sign, acts)
}

const planRemoval = (planning: Planning, { whereabouts, atPath }: Found): PlanItem | undefined => {
  const { entry, input, claims, base } = planning
  const { itemId, order } = base
  if (order === undefined) return needsOperator(planning, "its order has no UUID")
  if (whereabouts.at === "nowhere") {
    if (atPath !== null) return needsOperator(planning, foreign(atPath, planning))
    if (input.journal.get(itemId)?.path !== undefined) {
      const note = "its directory is neither in its place nor in the trash; report the order by hand"
      return needsOperator(planning, note)
    }
    // A Create for which no directory was ever made.
    return item(planning, "~", reportDone(entry))
  }
  if (whereabouts.at === "trash") {
    // What an earlier order removed may have been copied back, without a mark.
    if (atPath !== null && whereabouts.order !== order) return needsOperator(planning, foreign(atPath, planning))
    return item(planning, "~", reportDone(entry))
  }
  const other = claims.otherBelow(whereabouts.path, itemId)
  if (other !== undefined) return needsOperator(planning, contains(other))
  if (!input.settings.mayRemove) return undefined
  if (hasFailed(planning)) return item(planning, "~", erred(planning, whereabouts.path === base.path))
  return item(planning, "-", [{ act: "trash", path: whereabouts.path, order }, ...reportDone(entry)])
}

const contains = (other: string) => `its directory may contain ${other}, which is another item's`

const foreign = ({ itemId }: Observed, { base }: Planning) => {
  if (itemId === null) return "something that this program has not made is at the mount point"
  return itemId === base.itemId
    ? "a copy of its directory is at the mount point"
    : `the directory of ${itemId} is at the mount point`
}

const alertOf = ({ alert }: Extract<Decision, { kind: "nothing" }>, planning: Planning): PlanItem | undefined => {
  const { journal } = planning.input
  const record = journal.get(planning.base.itemId)
  switch (alert) {
    case "order-ended-early":
      return needsOperator(
        planning,
        "updating without an order: if this persists, the order ended before Waldur's worker ran; set the resource's state in Waldur",
      )
    case "removal-without-order":
      return needsOperator(planning, "removing without an executing order: nothing is touched")
    case "removed-but-present":
      return record?.path === undefined || record.trash !== undefined
        ? undefined
        : needsOperator(
            planning,
            `removed in Waldur, but not by this program, which knows its directory as ${record.path}`,
          )
    default:
      return undefined
  }
}

/** The acts on an order that waits for approval, or the reason why it keeps waiting. */
const review = (
  entry: StorageEntry,
  { settings }: PlanInput,
  free: bigint | undefined,
): ReadonlyArray<Act> | string => {
  const ruling = settings.policy(entry, { free })
  if (ruling.verdict === "wait") return `not approved: ${ruling.reason}`
  const url = ruling.verdict === "approve" ? entry.approve_by_provider_url : entry.reject_by_provider_url
  if (url === undefined) return `cannot ${ruling.verdict}: the entry has no URL for that`
  return [ruling.verdict === "approve" ? { act: "approve", url } : { act: "reject", url, reason: ruling.reason }]
}

/** The path is the key on which usage reports are joined. */
const backendId = ({ entry, input, base: { path } }: Planning): ReadonlyArray<Act> => {
  const url = entry.set_backend_id_url
  return input.settings.reportsBackendId && url !== undefined ? [{ act: "backend-id", url, path }] : []
}

const reportDone = ({ set_state_done_url: url }: StorageEntry): ReadonlyArray<Act> =>
  url === undefined ? [] : [{ act: "done", url }]

/**
 * The backend id comes after the error: if Waldur refuses the former, the latter must still be reported.
 *
 * @param isThere whether the item's directory is at the mount point; no other path may be reported
 */
const erred = (planning: Planning, isThere: boolean): ReadonlyArray<Act> => {
  const { itemId, set_state_erred_url: url } = planning.entry
  if (url === undefined) return []
  return [{ act: "erred", url, message: erredMessage(itemId) }, ...(isThere ? backendId(planning) : [])]
}

/** Whether the provisioner's own acts on the executing order have failed so often that it gives up. */
const hasFailed = ({ entry, input: { journal, settings }, base: { itemId, order } }: Planning): boolean => {
  const failures = journal.get(itemId)?.failures
  return (
    orderStateOf(entry) === "executing" &&
    failures !== undefined &&
    failures.order === order &&
    failures.count >= settings.erredAfter
  )
}
