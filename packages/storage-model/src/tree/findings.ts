/** Keeps findings in an order that depends on the findings only. */
import type { Finding, Remark } from "../report/finding.ts"
import { jsonText } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { collect, compare, inOrder } from "./order.ts"
import { pass } from "./pass.ts"

/** A finding about a resource. */
export const findingOf = <Code extends string>(
  { uuid, slug, offering_slug }: WaldurResource,
  { code, problem }: { readonly code: Code; readonly problem: Remark["problem"] },
): Finding<Code> => ({ code, uuid, slug, offering_slug, ...problem })

/** A sorted list of findings, which `passes` bring up to date. */
export const findingList = <A extends Finding<string>>() => {
  let list: ReadonlyArray<A> = []
  const added = new Set<A>()
  const removed = new Set<A>()
  let [unsorted, sorted]: [Array<A>, Array<A>] = [[], []]
  const isChanged = () => added.size + removed.size > 0
  return {
    add: (one: A): void => {
      if (!removed.delete(one)) added.add(one)
    },
    remove: (one: A): void => {
      if (!added.delete(one)) removed.add(one)
    },
    passes: [
      pass(
        () => (isChanged() ? [...list, ...added] : []),
        (one: A) => {
          if (!removed.has(one)) collect(unsorted, one, byIdentity)
        },
      ),
      pass(
        () => inOrder(unsorted, byIdentity),
        (one) => void sorted.push(one),
      ),
    ],
    /** The list after the passes; the same one if there was no change. */
    settled: (): ReadonlyArray<A> => {
      if (isChanged()) list = sorted
      added.clear()
      removed.clear()
      ;[unsorted, sorted] = [[], []]
      return list
    },
  }
}

const byIdentity = (a: Finding<string>, b: Finding<string>): number =>
  compare(a.uuid ?? "", b.uuid ?? "") ||
  compare(a.slug ?? "", b.slug ?? "") ||
  compare(a.offering_slug ?? "", b.offering_slug ?? "") ||
  compare(a.field, b.field) ||
  compare(a.code, b.code) ||
  compare(jsonText(a.found), jsonText(b.found)) ||
  compare(a.reason, b.reason)
