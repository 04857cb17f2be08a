/** Small components that several views share. */
import { inodesText, keyOf, type StorageEntry, spaceText } from "@cscs/storage-model"
import { useSignal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { count } from "./format.ts"
import { isFailure } from "./proxy.ts"
import { go, list, place, readAgain } from "./store.ts"
import { type Limits, limitsOf } from "./tree.ts"

/** Milliseconds for which a button shows its result. */
const resultShownFor = 1500

/** A button that copies a text and confirms it. */
export const Copy = ({ text, label, shown = "Copy" }: { text: string; label: string; shown?: string }) => {
  const announced = useSignal("")
  const copy = async () => {
    // A page served over plain HTTP has no clipboard API.
    announced.value = await (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
      () => "Copied",
      () => "Copy it by hand",
    )
    setTimeout(() => {
      announced.value = ""
    }, resultShownFor)
  }
  return (
    <button type="button" class="small" onClick={copy} aria-label={`Copy ${label}`}>
      <span aria-live="polite">{announced.value || shown}</span>
    </button>
  )
}

export const Status = ({ of }: { of: StorageEntry["status"] }) => <span class={`status ${of}`}>{of}</span>

/** The state of a view in words, with what to do next. */
export const Notice = ({ kind = "info", children }: { kind?: "info" | "bad"; children: ComponentChildren }) => (
  <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
    {children}
  </div>
)

/** Calls `read` at first and when the list has changed; after a failure that may pass, also at each successful poll. */
export const useReading = (read: () => void, outcome: object | undefined) => {
  const { etag, readAt } = list.value
  const retriedAt = useRef(readAt)
  const kind = outcome !== undefined && isFailure(outcome) ? outcome.kind : undefined
  if (kind !== undefined && kind !== "forbidden" && kind !== "unknown") retriedAt.current = readAt
  useEffect(() => void read(), [etag, retriedAt.current])
}

const clearFilters = () => go({ filters: { storage_system: "", data_type: "", status: "", state: "", q: "" } })

/** What is shown instead of a list: that it is loading, why it is missing, or that it is empty. */
export const NoList = () => {
  const { etag, failure } = list.value
  if (failure !== undefined)
    return (
      <Notice kind="bad">
        <p>{failure.what}</p>
        <p>{failure.remedy}</p>
        <button type="button" onClick={readAgain}>
          Retry now
        </button>
      </Notice>
    )
  if (etag === undefined) return <Notice>Loading the list.</Notice>
  return (
    <Notice>
      <p>The list is empty.</p>
      {place.value.filters.state === "" ? (
        <p>Waldur has no resources in the configured storage systems, or all are skipped: see Problems and Health.</p>
      ) : (
        <button type="button" class="link" onClick={() => go({ filters: { ...place.value.filters, state: "" } })}>
          Show all Waldur states
        </button>
      )}
    </Notice>
  )
}

export const NoMatch = ({ of }: { of: string }) => (
  <Notice>
    No {of} matches the filters and the search.{" "}
    <button type="button" class="link" onClick={clearFilters}>
      Clear filters
    </button>
  </Notice>
)

/** How many items of a list are shown; filters reveal the rest. */
export const shownAtOnce = 200

export const More = ({ of }: { of: number }) =>
  of > shownAtOnce ? (
    <Notice>{count(of - shownAtOnce, "more is", "more are")} not shown: use the filters or the search.</Notice>
  ) : null

/** A link that opens an entry's panel. */
export const EntryLink = ({ entry }: { entry: StorageEntry }) => (
  <button type="button" class="link" onClick={() => go({ entry: keyOf(entry) })}>
    {entry.mountPoint.default}
  </button>
)

/** The bars of a soft and a hard limit, as the style sheet's custom properties: percentages of `largest`. */
const barOf = ([soft, hard]: readonly [number, number], largest: number, at: number): string => {
  const percent = (value: number) => `${largest > 0 ? Math.min(100, (100 * value) / largest) : 0}%`
  return `--soft-${at}:${percent(soft)};--hard-${at}:${percent(hard)};`
}

/** The space or inodes of a row, as numbers over bars: soft / hard, and old against new during an update. */
export const Quantity = ({
  of,
  entry,
  limits,
  largest = 0,
  isCell = false,
}: {
  of: "space" | "inodes"
  entry?: StorageEntry | undefined
  limits: Limits | undefined
  /** The limit that a bar of full length stands for. */
  largest?: number | undefined
  /** Whether it is a cell of the tree grid. */
  isCell?: boolean
}) => {
  const pick = (all: Limits) =>
    of === "space" ? ([all.spaceSoft, all.spaceHard] as const) : ([all.inodesSoft, all.inodesHard] as const)
  const inWords = (amount: number) => (of === "space" ? spaceText(amount, "TB") : inodesText(amount))
  const change = [entry?.oldQuotas, entry?.newQuotas].map(limitsOf)
  const pairs = (change.some(Boolean) ? change : [limits]).map((all) => all && pick(all))
  const [first, second] = pairs.map((pair) => {
    if (pair === undefined) return "unknown"
    const [soft, hard] = pair
    return soft === hard ? inWords(hard) : `${inWords(soft)} / ${inWords(hard)}`
  })
  const cell = isCell ? ` cell ${of === "space" ? "c4" : "c5"}` : ""
  return (
    <span
      {...(isCell ? { role: "gridcell" as const } : {})}
      class={`quantity bars${pairs.some(Boolean) ? pairs.length : 0}${cell}`}
      style={pairs.map((pair = [0, 0], at) => barOf(pair, largest, at)).join("")}
    >
      {second === undefined || first === second ? (
        first
      ) : (
        <>
          <del>{first}</del> <ins>{second}</ins>
        </>
      )}
    </span>
  )
}
