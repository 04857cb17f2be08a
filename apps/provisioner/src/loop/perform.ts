/**
 * Carries out a plan's acts, reports to Waldur included. Except for folders, which are only ever made, the journal has each act's
 * intent before it and its outcome after it.
 */
import { elapsedMillis } from "@cscs/http-transport"
import type { ReportOutcome } from "@cscs/waldur-client"
import { Cause, Effect, Exit } from "effect"
import type { Driver, DriverError, Outcome } from "../drivers/driver.ts"
import type { ItemRecord, Journal, JournalUnusable } from "../journal/journal.ts"
import { type Act, orderOf, type PlanItem } from "../plan/plan.ts"
import type { Systems } from "./observe.ts"

/** The acts that are reports to Waldur. */
export type Report = Extract<Act, { readonly act: "approve" | "reject" | "done" | "backend-id" | "erred" }>

/** Sends a report to Waldur. */
export type SendReport = (report: Report) => Effect.Effect<ReportOutcome>

/** The outcome of one act. */
export interface ActResult {
  readonly item: PlanItem
  readonly act: Act
  readonly milliseconds: number
  /** The driver's outcome, or the tag of its error, or the tag of a report's outcome. */
  readonly outcome: Outcome | DriverError["_tag"] | ReportOutcome["_tag"]
  readonly detail?: string
  /** Seconds that Waldur asks to wait. */
  readonly retryAfter?: number
}

/** The outcomes of an item's acts, up to the first that failed. */
export interface ItemResult {
  readonly item: PlanItem
  readonly results: ReadonlyArray<ActResult>
  readonly isDone: boolean
  /** Whether a report was attempted, whatever its outcome. A list that was read before it does not show the item's current state. */
  readonly wasReported: boolean
}

export interface Performing {
  readonly systems: Systems
  readonly journal: Journal
  readonly send: SendReport
  readonly onAct: (result: ActResult) => Effect.Effect<void>
  /** When, in milliseconds of `elapsedMillis`, the list is too old to remove anything because of it. */
  readonly removeUntil: number
}

/** How many items, folders excepted, are performed concurrently. */
const atOnce = 8

/**
 * Carries out a plan: first the folders of tenants and customers, in list order, then removals, then the other items. Removals that
 * are due too late have no result. Fails only if the journal does.
 */
export const perform = Effect.fn("perform")(function* (
  items: ReadonlyArray<PlanItem>,
  performing: Performing,
): Effect.fn.Return<ReadonlyArray<ItemResult>, JournalUnusable> {
  const isFolder = ({ acts }: PlanItem) => acts[0]?.act === "folder"
  const folders = yield* Effect.forEach(items.filter(isFolder), (item) => performItem(item, performing))
  const others = items.filter((item) => !isFolder(item) && item.acts.length > 0)
  // Any order is safe: no act renames another item's directory along, and if another directory is still at an item's
  // path, the driver fails with `Conflict`, and a later cycle tries again.
  const inTime = Effect.fnUntraced(function* (item: PlanItem) {
    if (isRemoval(item) && (yield* elapsedMillis) > performing.removeUntil) return []
    return [yield* performItem(item, performing)]
  })
  // Removals first: behind slow acts, such as calls that time out, their list could be too old in each cycle.
  const inOrder = [...others.filter(isRemoval), ...others.filter((item) => !isRemoval(item))]
  const rest = yield* Effect.forEach(inOrder, inTime, { concurrency: atOnce })
  return [...folders, ...rest.flat()]
})

/** Whether the item's directory is to be moved to the trash. */
export const isRemoval = ({ sign }: PlanItem): boolean => sign === "-"

const performItem = Effect.fnUntraced(function* (
  item: PlanItem,
  performing: Performing,
): Effect.fn.Return<ItemResult, JournalUnusable> {
  const { journal, systems, send, onAct } = performing
  const driver = systems.drivers.get(item.system)
  const results: Array<ActResult> = []
  let wasReported = false
  for (const act of item.acts) {
    const started = performance.now()
    const before = journal.items.get(item.itemId) ?? { system: item.system }
    let result: Pick<ActResult, "outcome" | "detail" | "retryAfter">
    if (isReport(act)) {
      // An approval counts only while it is the last report.
      const { approved: _, ...known } = before
      const order = act.act === "approve" ? orderOf(act.url) : undefined
      const approved = order === undefined ? {} : { approved: order }
      // `reported`: after a restart, a list from before this report must not count as newer than it.
      yield* journal.put(item.itemId, { ...known, ...approved, intent: act.act, reported: true })
      wasReported = true
      const outcome = yield* send(act)
      result = { outcome: outcome._tag, ...withoutTag(outcome) }
      const { intent: __, failures, ...after } = journal.items.get(item.itemId) ?? before
      const isOver = outcome._tag === "done" && (act.act === "done" || act.act === "erred")
      yield* journal.put(item.itemId, isOver || failures === undefined ? after : { ...after, failures })
    } else if (driver === undefined) {
      return { item, results, isDone: false, wasReported }
    } else if (act.act === "folder") {
      result = yield* outcomeOf(driver.ensureFolder(systems.prefix + act.path, act.mode))
    } else {
      yield* journal.put(item.itemId, { ...before, intent: act.act })
      result = yield* outcomeOf(step(act, item, driver, systems.prefix))
      yield* journal.put(item.itemId, recordAfter(act, item, before, result.outcome))
    }
    const done = { item, act, milliseconds: performance.now() - started, ...result }
    results.push(done)
    yield* onAct(done)
    if (!isSuccess(done.outcome)) return { item, results, isDone: false, wasReported }
  }
  return { item, results, isDone: true, wasReported }
})

const isReport = (act: Act): act is Report => "url" in act

export const isSuccess = (outcome: ActResult["outcome"]): boolean =>
  outcome === "made" || outcome === "changed" || outcome === "unchanged" || outcome === "done"

const withoutTag = (outcome: ReportOutcome) => {
  const { _tag, ...rest } = outcome
  return rest
}

type DiskAct = Exclude<Act, Report | { readonly act: "folder" }>

/** The driver's step for an act. */
const step = (
  act: DiskAct,
  { itemId }: PlanItem,
  driver: Driver,
  prefix: string,
): Effect.Effect<Outcome, DriverError> => {
  switch (act.act) {
    case "create":
    case "change":
      return driver.ensureDirectory({ ...act.listed, path: prefix + act.listed.path })
    case "move":
      return driver.move({ itemId, path: prefix + act.to }, prefix + act.from)
    case "restore":
      return driver.restore({ itemId, path: prefix + act.to })
    case "trash":
      return driver.trash({ itemId, path: prefix + act.path }, act.order)
  }
}

/** A defect in a driver is an unknown outcome: it must not end the process while other items are half done. */
const outcomeOf = (step: Effect.Effect<Outcome, DriverError>): Effect.Effect<Pick<ActResult, "outcome" | "detail">> =>
  Effect.map(Effect.exit(step), (exit) => {
    if (Exit.isSuccess(exit)) return { outcome: exit.value }
    const error = Cause.findErrorOption(exit.cause)
    return error._tag === "Some"
      ? { outcome: error.value._tag, detail: error.value.message }
      : { outcome: "UnknownOutcome", detail: Cause.prettyErrors(exit.cause)[0]?.message ?? "unknown reason" }
  })

const recordAfter = (act: DiskAct, item: PlanItem, before: ItemRecord, outcome: ActResult["outcome"]): ItemRecord => {
  const { intent: _, failures, ...rest } = before
  if (isSuccess(outcome)) {
    if (act.act === "trash") {
      return { ...rest, path: act.path, trash: { order: act.order, since: new Date().toISOString().slice(0, 10) } }
    }
    const { trash: _, ...present } = rest
    return { ...present, path: "listed" in act ? act.listed.path : act.to }
  }
  // Conflicts and refusals are for an operator: however many there are, the order is not given up.
  if (outcome !== "UnknownOutcome") return failures === undefined ? rest : { ...rest, failures }
  const order = item.order ?? ""
  return { ...rest, failures: { order, count: failures?.order === order ? failures.count + 1 : 1 } }
}
