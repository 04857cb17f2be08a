/** Small parts that several views have. */
import { inodesText, keyOf, type StorageEntry, spaceText } from "@cscs/storage-model"
import { useSignal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { go, list, place, readAgain } from "./store.ts"
import { type Limits, limitsOf } from "./tree.ts"

/** Milliseconds that a button shows what it did. */
const shownFor = 1500

/** A button that copies a text, and shows that it has. */
export const Copy = ({ text, label, shown = "Copy" }: { text: string; label: string; shown?: string }) => {
  const announced = useSignal("")
  const copy = async () => {
    // There is no clipboard on a page served over plain HTTP.
    announced.value = await (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
      () => "Copied",
      () => "Select it by hand",
    )
    setTimeout(() => {
      announced.value = ""
    }, shownFor)
  }
  return (
    <button type="button" class="small" onClick={copy} aria-label={`Copy ${label}`}>
      <span aria-live="polite">{announced.value || shown}</span>
    </button>
  )
}

export const Status = ({ of }: { of: StorageEntry["status"] }) => <span class={`status ${of}`}>{of}</span>

/** A state of a view in words, with a way on. */
export const Notice = ({ kind = "info", children }: { kind?: "info" | "bad"; children: ComponentChildren }) => (
  <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
    {children}
  </div>
)

export const clearFilters = () => go({ filters: { storage_system: "", data_type: "", status: "", state: "", q: "" } })

/** What is there instead of a list: that it is being read, why it is not, or that it is empty. */
export const NoList = () => {
  const { etag, failure } = list.value
  if (failure !== undefined)
    return (
      <Notice kind="bad">
        <p>{failure.what}</p>
        <p>{failure.wayOn}</p>
        <button type="button" onClick={readAgain}>
          Ask again now
        </button>
      </Notice>
    )
  if (etag === undefined) return <Notice>The list is being read.</Notice>
  return (
    <Notice>
      <p>The list is empty.</p>
      {place.value.filters.state === "" ? (
        <p>Waldur has no resource in the configured storage systems, or all are skipped: see Problems and Health.</p>
      ) : (
        <button type="button" class="link" onClick={clearFilters}>
          Show all of Waldur's states
        </button>
      )}
    </Notice>
  )
}

/** A link that opens an entry beside the view. */
export const EntryLink = ({ entry }: { entry: StorageEntry }) => (
  <button type="button" class="link" onClick={() => go({ entry: keyOf(entry) })}>
    {entry.mountPoint.default}
  </button>
)

/** Soft within hard, as the style sheet's custom properties: percentages of `largest`. */
const barOf = ([soft, hard]: readonly [number, number], largest: number, at: number): string => {
  const percent = (value: number) => `${largest > 0 ? Math.min(100, (100 * value) / largest) : 0}%`
  return `--soft-${at}:${percent(soft)};--hard-${at}:${percent(hard)};`
}

/** Space or inodes of a row, as numbers over bars: soft / hard, and old against new while they change. */
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
  /** What a bar of full length has. */
  largest?: number | undefined
  /** Whether it is a cell of the tree grid. */
  isCell?: boolean
}) => {
  const pick = (all: Limits) =>
    of === "space" ? ([all.spaceSoft, all.spaceHard] as const) : ([all.inodesSoft, all.inodesHard] as const)
  const inWords = (amount: number) => (of === "space" ? spaceText(amount, "TB") : inodesText(amount))
  const [old, next] = [limitsOf(entry?.oldQuotas), limitsOf(entry?.newQuotas)]
  const pairs = (old !== undefined && next !== undefined ? [old, next] : limits === undefined ? [] : [limits]).map(pick)
  const [first, second] = pairs.map(([soft, hard]) =>
    soft === hard ? inWords(hard) : `${inWords(soft)} / ${inWords(hard)}`,
  )
  const cell = isCell ? ` cell ${of === "space" ? "c4" : "c5"}` : ""
  return (
    <span
      {...(isCell ? { role: "gridcell" as const } : {})}
      class={`quantity bars${pairs.length}${cell}`}
      style={pairs.map((pair, at) => barOf(pair, largest, at)).join("")}
    >
      {second === undefined || first === second ? (
        (first ?? "unknown")
      ) : (
        <>
          <del>{first}</del> <ins>{second}</ins>
        </>
      )}
    </span>
  )
}
