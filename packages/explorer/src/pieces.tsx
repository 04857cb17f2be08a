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

/** Soft within hard, on a scale that ends at `largest`. */
const Bar = ({ soft, hard, largest, kind }: { soft: number; hard: number; largest: number; kind: string }) => {
  const percent = (value: number) => `${largest > 0 ? Math.min(100, (100 * value) / largest) : 0}%`
  return (
    <span
      class={`bar ${kind}`}
      aria-hidden="true"
      style={{ "--soft-end": percent(soft), "--hard-end": percent(hard) }}
    />
  )
}

/** Space or inodes of a row, as numbers and bars: soft / hard, and old against new while they change. */
export const Quantity = ({
  of,
  entry,
  limits,
  largest,
}: {
  of: "space" | "inodes"
  entry?: StorageEntry | undefined
  limits: Limits | undefined
  largest: number
}) => {
  const pick = (all: Limits) => (of === "space" ? [all.spaceSoft, all.spaceHard] : [all.inodesSoft, all.inodesHard])
  const inWords = (amount: number) => (of === "space" ? spaceText(amount, "TB") : inodesText(amount))
  const shown = (all: Limits) => {
    const [soft = 0, hard = 0] = pick(all)
    return soft === hard ? inWords(hard) : `${inWords(soft)} / ${inWords(hard)}`
  }
  const [old, next] = [limitsOf(entry?.oldQuotas), limitsOf(entry?.newQuotas)]
  if (old !== undefined && next !== undefined) {
    return (
      <>
        <span class="number">
          {shown(old) === shown(next) ? (
            shown(next)
          ) : (
            <>
              <del>{shown(old)}</del> <ins>{shown(next)}</ins>
            </>
          )}
        </span>
        {[old, next].map((all, at) => {
          const [soft = 0, hard = 0] = pick(all)
          return <Bar key={at} soft={soft} hard={hard} largest={largest} kind={at === 0 ? "old" : "new"} />
        })}
      </>
    )
  }
  if (limits === undefined) return <span class="faint">unknown</span>
  const [soft = 0, hard = 0] = pick(limits)
  return (
    <>
      <span class="number">{shown(limits)}</span>
      <Bar soft={soft} hard={hard} largest={largest} kind="" />
    </>
  )
}
