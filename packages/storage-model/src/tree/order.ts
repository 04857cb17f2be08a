/**
 * Incremental sorting: lists are sorted in runs while items are added, and merged item by item. Neither adding an item nor
 * taking the next one costs more than a sort of 256 items, so a loop over a hundred thousand items can yield at any of
 * them.
 */

/** Compares texts by code units, not by locale, so the order is the same on every machine. */
export const compare = <A extends string | number>(a: A, b: A) => (a < b ? -1 : a > b ? 1 : 0)

type Order<A> = (a: A, b: A) => number

/** Items in a run, which is sorted in one step. */
const runLength = 256

const sortRun = <A>(items: Array<A>, start: number, order: Order<A>) => {
  const run = items.slice(start, start + runLength).sort(order)
  for (let at = 0; at < run.length; at += 1) items[start + at] = run[at] as A
}

/** Adds an item to a list that `inOrder` iterates over with the same order. */
export const collect = <A>(items: Array<A>, item: A, order: Order<A>): void => {
  items.push(item)
  if (items.length % runLength === 0) sortRun(items, items.length - runLength, order)
}

/** The items of a list filled by `collect`, in a stable order. The list must not change during the iteration. */
export const inOrder = <A>(items: Array<A>, order: Order<A>): Iterable<A> => ({
  [Symbol.iterator]: () => {
    const rest = items.length % runLength
    if (rest > 1) sortRun(items, items.length - rest, order)
    return items.length <= runLength ? items.values() : merged(items, order)
  },
})

/** Merges the runs of a list with a heap of the indices of their next items. */
const merged = <A>(items: ReadonlyArray<A>, order: Order<A>): Iterator<A, undefined> => {
  const heap = Array.from({ length: Math.ceil(items.length / runLength) }, (_, run) => run * runLength)
  const isBefore = (a: number, b: number) => (order(items[a] as A, items[b] as A) || a - b) < 0
  const sink = (from: number) => {
    const place = heap[from] as number
    let at = from
    for (;;) {
      let least = 2 * at + 1
      if (least >= heap.length) break
      if (least + 1 < heap.length && isBefore(heap[least + 1] as number, heap[least] as number)) least += 1
      if (!isBefore(heap[least] as number, place)) break
      heap[at] = heap[least] as number
      at = least
    }
    heap[at] = place
  }
  for (let at = (heap.length >> 1) - 1; at >= 0; at -= 1) sink(at)
  return {
    next: () => {
      const place = heap[0]
      if (place === undefined) return { done: true, value: undefined }
      const after = place + 1
      if (after < items.length && after % runLength !== 0) heap[0] = after
      else {
        const last = heap.pop() as number
        if (heap.length > 0) heap[0] = last
      }
      if (heap.length > 0) sink(0)
      return { done: false, value: items[place] as A }
    },
  }
}

/** Like `flatMap`, but evaluates each inner list only when the iteration reaches it. */
export const flatMapLazily = <A, B>(items: Iterable<A>, itemsOf: (item: A) => Iterable<B>): Iterable<B> => ({
  [Symbol.iterator]: () => {
    const outer = items[Symbol.iterator]()
    let inner: Iterator<B> | undefined
    return {
      next: (): IteratorResult<B, undefined> => {
        for (;;) {
          const found = inner?.next()
          if (found !== undefined && !found.done) return found
          const item = outer.next()
          if (item.done) return { done: true, value: undefined }
          inner = itemsOf(item.value)[Symbol.iterator]()
        }
      },
    }
  },
})
