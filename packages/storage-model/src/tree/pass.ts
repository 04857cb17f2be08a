/** A loop over many cheap items whose caller decides when it yields to other work. */

/** A pass: visits some items in order. `go` runs the loop and decides when to yield. */
export type Pass = <R>(go: <A>(items: Iterable<A>, visit: (item: A) => void) => R) => R

/** @param items evaluated when the pass begins */
export const pass =
  <A>(items: () => Iterable<A>, visit: (item: A) => void): Pass =>
  (go) =>
    go(items(), visit)

/** Runs passes without yielding. */
export const runAtOnce = (passes: ReadonlyArray<Pass>): void => {
  for (const run of passes) {
    run((items, visit) => {
      for (const item of items) visit(item)
    })
  }
}
