/**
 * Plans a cycle: from the whole list and what was observed on the disk, the acts to perform, as data. Pure: it reads and changes
 * nothing.
 */
import { keyOf, type StorageEntry } from "@cscs/storage-model"
import type { DriverError, Listed, Observed, Whereabouts } from "../drivers/driver.ts"
import type { ItemRecord } from "../journal/journal.ts"
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
  /** `itemId` and mount point, which together identify an entry. */
  readonly key: string
  readonly itemId: string
  readonly path: string
  readonly system: string
  /** UUID of the order in progress. */
  readonly order?: string
  readonly acts: ReadonlyArray<Act>
  /** Why nothing is done, or less than the list requires. */
  readonly note?: string
  /** A removal that waits for the next poll, because of the limit. */
  readonly isOverLimit?: true
}

export interface Plan {
  readonly etag: string
  readonly counts: Readonly<Record<Sign, number>>
  readonly items: ReadonlyArray<PlanItem>
}

/** What was observed of an entry on the disk. */
export type Observation =
  | {
      readonly whereabouts: Whereabouts
      /** The directory as the entry's decision requires it; absent if it requires none. */
      readonly listed?: Listed
      /** What is at the entry's mount point. */
      readonly atPath: Observed | null
      /** How what is at the mount point differs from what is listed. */
      readonly differences: ReadonlyArray<string>
      /** Free bytes of the file system, if the policy needs to know. */
      readonly free?: bigint
    }
  | DriverError

export type Verdict = { readonly verdict: "approve" } | { readonly verdict: "reject" | "wait"; readonly reason: string }

/** The policy of orders that wait for the provider's approval. */
export type Policy = (entry: StorageEntry, facts: { readonly free: bigint | undefined }) => Verdict

export interface PlanInput {
  readonly etag: string
  readonly entries: ReadonlyArray<StorageEntry>
  /** Entries that are not understood: their directories stay unchanged. */
  readonly notUnderstood: ReadonlyArray<{ readonly itemId: string | undefined; readonly reason: string }>
  /** By entry key; an entry without an observation was not observed, and nothing is done for it. */
  readonly observations: ReadonlyMap<string, Observation>
  readonly journal: ReadonlyMap<string, ItemRecord>
  /** Entries for which nothing is done in this cycle, by key: they wait for a list after their report, or for a retry. */
  readonly held: ReadonlySet<string>
  readonly settings: {
    readonly policy: Policy
    /** Removals of one cycle. */
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
  `The storage could not be set up as ordered. The storage administrators have the details under ${itemId}.`

export const plan = (input: PlanInput): Plan => {
  const claims = claimsOf(input.entries)
  const items: Array<PlanItem> = input.notUnderstood.map(({ itemId, reason }, index) => ({
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
  return { etag: input.etag, counts: { "+": count("+"), "~": count("~"), "-": count("-"), "!": count("!") }, items }
}

/** Paths and items that more than one entry claims. No act on them is allowed. */
interface Claims {
  readonly isDoubled: (entry: StorageEntry) => boolean
  /** A live directory at or below this path that is not this item's, if any. */
  readonly liveBelow: (entry: StorageEntry) => string | undefined
}

export const claimsOf = (entries: ReadonlyArray<StorageEntry>): Claims => {
  const live = entries.filter((entry) => {
    const { kind } = decide(entry)
    return kind === "keep" || kind === "trash"
  })
  const count = (texts: ReadonlyArray<string>) => {
    const counts = new Map<string, number>()
    for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
    return counts
  }
  const byPath = count(live.map(({ mountPoint }) => mountPoint.default))
  const byItem = count(live.map(({ itemId }) => itemId))
  const kept = live.filter((entry) => decide(entry).kind === "keep")
  return {
    isDoubled: ({ itemId, mountPoint }) => (byPath.get(mountPoint.default) ?? 0) > 1 || (byItem.get(itemId) ?? 0) > 1,
    liveBelow: ({ itemId, mountPoint }) =>
      kept.find(
        (other) =>
          other.itemId !== itemId &&
          (other.mountPoint.default === mountPoint.default ||
            other.mountPoint.default.startsWith(`${mountPoint.default}/`)),
      )?.mountPoint.default,
  }
}

const planEntry = (entry: StorageEntry, input: PlanInput, claims: Claims): PlanItem | undefined => {
  const { itemId } = entry
  const inProgress = orderOf(entry.set_state_done_url)
  const base = {
    key: keyOf(entry),
    itemId,
    path: entry.mountPoint.default,
    system: entry.storageSystem.key,
    ...(inProgress === undefined ? {} : { order: inProgress }),
  }
  const needsOperator = (note: string): PlanItem => ({ ...base, sign: "!", acts: [], note })
  const item = (sign: Sign, acts: ReadonlyArray<Act>): PlanItem | undefined =>
    acts.length === 0 ? undefined : { ...base, sign, acts }

  const decision = decide(entry)
  if (decision.kind === "nothing") return alertOf(decision, input.journal.get(itemId), needsOperator)
  if (decision.kind !== "parent" && decision.kind !== "review" && claims.isDoubled(entry)) {
    return needsOperator("another entry has the same directory or the same itemId")
  }
  const observation = input.observations.get(base.key)
  if (observation === undefined) return undefined
  if ("_tag" in observation) return needsOperator(`${observation._tag}: ${observation.message}`)
  const { whereabouts, listed, atPath, differences } = observation
  const isThere = whereabouts.at === "path" && whereabouts.path === base.path

  switch (decision.kind) {
    case "parent":
      return atPath === null
        ? item("+", [{ act: "folder", path: base.path, mode: Number.parseInt(entry.permission.value, 8) }])
        : undefined
    case "review": {
      const reviewed = review(entry, input, observation.free)
      return typeof reviewed === "string" ? needsOperator(reviewed) : item("~", reviewed)
    }
    case "keep": {
      if (listed === undefined) return undefined
      const acts: Array<Act> = []
      let sign: Sign = "~"
      if (isThere) {
        if (atPath === null) return needsOperator("the directory was not found where it was seen a moment ago")
        if (differences.length > 0) acts.push({ act: "change", listed, differences })
      } else {
        if (atPath !== null) return needsOperator(foreign(atPath))
        const record = input.journal.get(itemId)
        if (whereabouts.at === "nowhere" && record?.path !== undefined) {
          return needsOperator(`its directory was ${record.path}, and is gone; it is not made again over lost data`)
        }
        if (whereabouts.at === "nowhere") sign = "+"
        else if (whereabouts.at === "trash") acts.push({ act: "restore", to: base.path })
        else acts.push({ act: "move", from: whereabouts.path, to: base.path })
        acts.push({ act: whereabouts.at === "nowhere" ? "create" : "change", listed, differences: [] })
      }
      if (decision.then === "report") {
        if (hasFailed(entry, input)) return item("~", erred(entry, input, isThere))
        acts.push(...done(entry, input))
      }
      if (decision.then === "review") {
        const reviewed = review(entry, input, observation.free)
        // The directory is kept as listed, whatever the outcome of the order.
        if (typeof reviewed === "string") return acts.length === 0 ? needsOperator(reviewed) : item(sign, acts)
        acts.push(...reviewed)
      }
      return item(sign, acts)
    }
    case "trash": {
      const order = orderOf(entry.set_state_done_url) ?? orderOf(entry.set_state_erred_url)
      if (order === undefined) return needsOperator("its order has no UUID")
      const live = claims.liveBelow(entry)
      if (live !== undefined) return needsOperator(`it contains ${live}, which is in use`)
      if (whereabouts.at === "nowhere") {
        if (atPath !== null) return needsOperator(foreign(atPath))
        if (input.journal.get(itemId)?.path !== undefined) {
          return needsOperator("its directory is neither in its place nor in the trash; report the order by hand")
        }
        // A Create for which no directory was ever made.
        return item("~", reportDone(entry))
      }
      if (whereabouts.at === "trash") return item("~", reportDone(entry))
      if (!input.settings.mayRemove) return undefined
      if (hasFailed(entry, input)) return item("~", erred(entry, input, isThere))
      return item("-", [{ act: "trash", path: whereabouts.path, order }, ...reportDone(entry)])
    }
  }
}

const foreign = ({ itemId }: Observed) =>
  itemId === null
    ? "something that this program has not made is at the mount point"
    : `the directory of ${itemId} is at the mount point`

const alertOf = (
  { alert }: Extract<Decision, { kind: "nothing" }>,
  record: ItemRecord | undefined,
  needsOperator: (note: string) => PlanItem,
): PlanItem | undefined => {
  const isPresent = record?.path !== undefined && record.trash === undefined
  switch (alert) {
    case "order-ended-early":
      return needsOperator("updating without an order: if this persists, the order ended before Waldur's worker ran")
    case "removal-without-order":
      return needsOperator("removing without an executing order: nothing is touched")
    case "removed-but-present":
      return isPresent ? needsOperator(`removed in Waldur, but ${record.path} still exists`) : undefined
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
const backendId = (
  { set_backend_id_url: url, mountPoint }: StorageEntry,
  { settings }: PlanInput,
): ReadonlyArray<Act> =>
  settings.reportsBackendId && url !== undefined ? [{ act: "backend-id", url, path: mountPoint.default }] : []

const done = (entry: StorageEntry, input: PlanInput): ReadonlyArray<Act> => [
  ...backendId(entry, input),
  ...reportDone(entry),
]

const reportDone = ({ set_state_done_url: url }: StorageEntry): ReadonlyArray<Act> =>
  url === undefined ? [] : [{ act: "done", url }]

/**
 * The backend id comes after the error: if Waldur refuses the former, the latter must still be reported.
 *
 * @param isThere whether the item's directory is at the mount point; no other path may be reported
 */
const erred = (entry: StorageEntry, input: PlanInput, isThere: boolean): ReadonlyArray<Act> => {
  const { itemId, set_state_erred_url: url } = entry
  if (url === undefined) return []
  return [{ act: "erred", url, message: erredMessage(itemId) }, ...(isThere ? backendId(entry, input) : [])]
}

/** Whether the provisioner's own acts on the executing order have failed so often that it gives up. */
const hasFailed = (entry: StorageEntry, { journal, settings }: PlanInput): boolean => {
  const failures = journal.get(entry.itemId)?.failures
  const order = orderOf(entry.set_state_erred_url)
  return (
    orderStateOf(entry) === "executing" &&
    failures !== undefined &&
    failures.order === order &&
    failures.count >= settings.erredAfter
  )
}
