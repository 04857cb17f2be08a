/** The tree grid, whose rows exist only while they are visible. */
import { signal, useComputed, useSignal } from "@preact/signals"
import {
  defaultRangeExtractor,
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "@tanstack/virtual-core"
import { useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks"
import { NoList, NoMatch, Notice, Quantity, Status } from "./components.tsx"
import { count } from "./format.ts"
import { branches, go, list, newest, openedKey, place, tree } from "./store.ts"
import { effectOfKey, type Limits, limitsOf, type Row, rowsOf, type Sum, type TreeNode, unixIdOf } from "./tree.ts"

/** The height of a row in pixels, as in the style sheet. */
const rowHeight = 40
/** Rows rendered beyond the visible ones, for smooth scrolling. */
const overscan = 4
/** A tree of up to this many entries starts fully expanded; a larger one shows its systems and data types expanded. */
const smallTree = 400
const columns = ["Name", "Status", "GID", "Mode", "Space (soft / hard)", "Inodes (soft / hard)"]

/** The rows that the user expanded or collapsed. */
const byHand = signal<ReadonlyMap<string, boolean>>(new Map())

export const TreeView = () => {
  const { etag, failure } = list.value
  const entries = tree.value.nodes.size
  const rows = useComputed(() => {
    const isSearch = place.value.filters.q.trim() !== ""
    const openLevels = tree.value.nodes.size <= smallTree ? 5 : isSearch ? 5 : 2
    return rowsOf(branches.value, ({ key }, level) => byHand.value.get(key) ?? level <= openLevels)
  }).value
  if (entries === 0) return <NoList />
  return (
    <>
      {etag === undefined && failure === undefined && (
        <Notice>{count(entries, "entry", "entries")} so far; the list is still loading.</Notice>
      )}
      {rows.length === 0 ? <NoMatch of="entry" /> : <Grid rows={rows} />}
    </>
  )
}

const useVirtualizer = (size: number, active: number) => {
  const scroller = useRef<HTMLDivElement>(null)
  const [, redraw] = useReducer((n: number) => n + 1, 0)
  const options = {
    count: size,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan,
    // The head covers a row's height of the grid.
    scrollPaddingEnd: rowHeight,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => redraw(undefined as never),
    // The focused row always exists: otherwise scrolling would lose the keyboard focus.
    rangeExtractor: (range: Parameters<typeof defaultRangeExtractor>[0]) => {
      const visible = defaultRangeExtractor(range)
      return active < size && !visible.includes(active) ? [...visible, active].sort((a, b) => a - b) : visible
    },
  }
  const [virtualizer] = useState(() => new Virtualizer<HTMLDivElement, HTMLDivElement>(options))
  virtualizer.setOptions(options)
  useLayoutEffect(() => virtualizer._didMount(), [])
  useLayoutEffect(() => virtualizer._willUpdate())
  return { scroller, virtualizer }
}

const Grid = ({ rows }: { rows: ReadonlyArray<Row> }) => {
  const activeKey = useSignal("")
  const wantsFocus = useRef(false)
  // Not computed again for each frame of a scroll.
  const largest = useMemo(() => largestByLevel(rows), [rows])
  const active = useMemo(
    () => (activeKey.value === "" ? 0 : Math.max(0, indexOf(rows, activeKey.value))),
    [rows, activeKey.value],
  )
  const { scroller, virtualizer } = useVirtualizer(rows.length, active)

  // Runs before the next key: an effect after the paint could focus a row that the next key has already left.
  useLayoutEffect(() => {
    if (!wantsFocus.current) return
    const row = scroller.current?.querySelector<HTMLElement>(`[aria-rowindex="${active + 2}"]`)
    if (row === undefined || row === null) return
    wantsFocus.current = false
    row.focus({ preventScroll: true })
  })

  const focusOn = (index: number) => {
    wantsFocus.current = true
    activeKey.value = rows[index]?.branch.node.key ?? ""
    virtualizer.scrollToIndex(index, { align: "auto" })
  }
  const toggle = (index: number) => {
    const row = rows[index]
    if (row?.isExpanded === undefined) return
    byHand.value = new Map(byHand.value).set(row.branch.node.key, !row.isExpanded)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? rowHeight) / rowHeight) - 2)
    const effect = effectOfKey(rows, active, event.key, page)
    if (effect === undefined) return
    event.preventDefault()
    if ("focus" in effect) focusOn(effect.focus)
    else if ("toggle" in effect) {
      toggle(effect.toggle)
      focusOn(effect.toggle)
    } else open(rows[effect.open]?.branch.node)
  }
  // The grid handles events: a row with its own handlers would render again in each frame of a scroll.
  const indexAt = ({ target }: Event) =>
    Number((target as Element).closest(".body [role=row]")?.getAttribute("aria-rowindex") ?? Number.NaN) - 2
  const onFocusIn = (event: FocusEvent) => {
    const row = rows[indexAt(event)]
    if (row !== undefined) activeKey.value = row.branch.node.key
  }
  const onClick = (event: MouseEvent) => {
    const index = indexAt(event)
    const node = rows[index]?.branch.node
    if (node?.entry === undefined || (event.target as Element).matches(".twisty")) toggle(index)
    else open(node)
  }
  return (
    <div class="grid" ref={scroller}>
      <div
        role="treegrid"
        aria-label="Storage entries"
        aria-rowcount={rows.length + 1}
        onKeyDown={onKeyDown}
        onFocusIn={onFocusIn}
        onClick={onClick}
      >
        <div role="rowgroup" class="head">
          <div role="row" class="row" aria-rowindex={1}>
            {columns.map((name, at) => (
              <span key={name} role="columnheader" class={`cell c${at}`}>
                {name}
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup" class="body" style={{ height: `${virtualizer.getTotalSize()}px` }}>
          {virtualizer.getVirtualItems().map(({ index }) => {
            const row = rows[index]
            if (row === undefined) return null
            const { parent: _, ...shown } = row
            const isActive = index === active
            return (
              <GridRow key={row.branch.node.key} {...shown} {...largest[row.level]} index={index} isActive={isActive} />
            )
          })}
        </div>
      </div>
    </div>
  )
}

const indexOf = (rows: ReadonlyArray<Row>, key: string) => rows.findIndex(({ branch }) => branch.node.key === key)

const open = (node: TreeNode | undefined) => node?.entry !== undefined && go({ entry: node.key })

/** The largest limits of each level, because bars compare rows of one level. */
const largestByLevel = (rows: ReadonlyArray<Row>) => {
  const largest = Array.from({ length: 6 }, () => ({ space: 0, inodes: 0 }))
  const take = (level: number, limits: Limits | undefined) => {
    const own = largest[level]
    if (own === undefined || limits === undefined) return
    own.space = Math.max(own.space, limits.spaceHard)
    own.inodes = Math.max(own.inodes, limits.inodesHard)
  }
  for (const { level, branch } of rows) {
    take(level, branch.sum)
    take(level, limitsOf(branch.node.entry?.oldQuotas))
    take(level, limitsOf(branch.node.entry?.newQuotas))
  }
  return largest
}

interface GridRowProps extends Omit<Row, "parent"> {
  readonly index: number
  readonly isActive: boolean
  /** The largest limits of its level. */
  readonly space?: number
  readonly inodes?: number
}

/**
 * It reads signals, so it renders again only if they or its props change: not in a frame of a scroll, and not after a poll
 * unless its own branch has changed. It has few elements and clips only one: a frame of a scroll creates ten rows.
 */
const GridRow = ({ branch, index, level, position, siblings, isExpanded, isActive, space, inodes }: GridRowProps) => {
  const { node, sum } = branch
  const { entry } = node
  const isLeaf = node.kind === "project" || node.kind === "user"
  const limits = isLeaf ? limitsOf(entry?.quotas) : sum
  const change = newest.value.get(node.key) ?? ""
  return (
    <div
      role="row"
      class={`row level${level} ${change} ${openedKey.value === node.key ? "opened" : ""}`}
      style={`top:${index * rowHeight}px`}
      tabIndex={isActive ? 0 : -1}
      aria-rowindex={index + 2}
      aria-level={level}
      aria-posinset={position}
      aria-setsize={siblings}
      {...(isExpanded === undefined ? {} : { "aria-expanded": isExpanded })}
    >
      <span
        role="gridcell"
        class={isExpanded === undefined ? "cell c0 lone" : "cell c0"}
        title={entry?.mountPoint.default ?? node.name}
      >
        {isExpanded !== undefined && (
          <span class="twisty" aria-hidden="true">
            {isExpanded ? "▾" : "▸"}
          </span>
        )}
        {node.name}
        <span class="kind">{node.kind}</span>
      </span>
      <span role="gridcell" class="cell c1">
        {isLeaf && entry !== undefined ? <Status of={entry.status} /> : waitingText(sum)}
      </span>
      <span role="gridcell" class="cell c2">
        {entry === undefined ? "" : unixIdOf(entry)}
      </span>
      <span role="gridcell" class="cell c3">
        {entry?.permission.value}
      </span>
      <Quantity isCell of="space" entry={entry} limits={limits} largest={space} />
      <Quantity isCell of="inodes" entry={entry} limits={limits} largest={inodes} />
    </div>
  )
}

const waitingText = ({ waiting, entries }: Sum) =>
  waiting === 0 ? (
    <span class="faint">{count(entries, "entry", "entries")}</span>
  ) : (
    <span class="due">
      {count(waiting, "of", "of")} {count(entries, "waits", "wait")}
    </span>
  )
