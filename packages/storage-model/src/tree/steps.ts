/** How many items a step takes at most: the model has some ten microseconds of work with the costliest. */
export const stepSize = 256

/** What a step yields in which no entry was made. */
export const noEntries: ReadonlyArray<never> = []

/**
 * Work in steps that makes no entries, for `yield*`; an `A` comes of it. It ends with a step even where there is little
 * to do: a loop may have a hundred thousand such.
 */
export type Steps<A> = Generator<ReadonlyArray<never>, A>

/** The first item that is `wanted`, or `undefined`. */
export function* findInSteps<A>(items: Iterable<A>, wanted: (item: A) => boolean): Steps<A | undefined> {
  let found: A | undefined
  let seen = 0
  for (const item of items) {
    if (wanted(item)) {
      found = item
      break
    }
    seen += 1
    if (seen % stepSize === 0) yield noEntries
  }
  yield noEntries
  return found
}

/** Does something with each item. */
export function* eachInSteps<A>(items: Iterable<A>, visit: (item: A) => void): Steps<void> {
  yield* findInSteps(items, (item) => {
    visit(item)
    return false
  })
}

/** The items in order, equal ones as they came. */
export function* sortInSteps<A>(items: ReadonlyArray<A>, order: (a: A, b: A) => number): Steps<ReadonlyArray<A>> {
  let runs: Array<ReadonlyArray<A>> = []
  for (let at = 0; at < items.length; at += stepSize) {
    if (at > 0) yield noEntries
    runs.push(items.slice(at, at + stepSize).sort(order))
  }
  while (runs.length > 1) {
    const longer: Array<ReadonlyArray<A>> = []
    for (let at = 0; at < runs.length; at += 2) {
      longer.push(yield* mergeInSteps(runs[at] ?? [], runs[at + 1] ?? [], order))
    }
    runs = longer
  }
  yield noEntries
  return runs[0] ?? []
}

function* mergeInSteps<A>(
  left: ReadonlyArray<A>,
  right: ReadonlyArray<A>,
  order: (a: A, b: A) => number,
): Steps<ReadonlyArray<A>> {
  const merged: Array<A> = []
  let [fromLeft, fromRight] = [0, 0]
  while (fromLeft < left.length && fromRight < right.length) {
    const [a, b] = [left[fromLeft] as A, right[fromRight] as A]
    const leftFirst = order(a, b) <= 0
    merged.push(leftFirst ? a : b)
    if (leftFirst) fromLeft += 1
    else fromRight += 1
    if (merged.length % stepSize === 0) yield noEntries
  }
  return merged.concat(left.slice(fromLeft), right.slice(fromRight))
}
