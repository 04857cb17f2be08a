/** Collects findings, in an order that depends on the findings only. */
import type { Finding, Remark, Skipped, Warning } from "../report/finding.ts"
import type { Refusal } from "../rules/ruling.ts"
import { jsonText } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { collect, compare, inOrder } from "./order.ts"
import type { BuiltPart } from "./parts.ts"

/** A finding about a resource. */
export const findingOf = <Code extends string>(
  { uuid, slug, offering_slug }: WaldurResource,
  { code, problem }: { readonly code: Code; readonly problem: Remark["problem"] },
): Finding<Code> => ({ code, uuid, slug, offering_slug, ...problem })

/** Collects findings while a tree is built. */
export const treeFindings = () => {
  const skipped: Array<Skipped> = []
  const warnings: Array<Warning> = []
  const sorted: { skipped: Array<Skipped>; warnings: Array<Warning> } = { skipped: [], warnings: [] }
  const shared: Array<{ readonly resource: WaldurResource; readonly warning: Warning }> = []
  const addSkipped = (one: Skipped) => collect(skipped, one, byIdentity)
  const skip = (resource: WaldurResource, refusal: Refusal) => addSkipped(findingOf(resource, refusal))
  const warn = (resource: WaldurResource, remarks: ReadonlyArray<Remark>) => {
    for (const remark of remarks) collect(warnings, findingOf(resource, remark), byIdentity)
  }
  return {
    addSkipped,
    skip,
    warn,
    warnShared: (resource: WaldurResource, remark: Remark | undefined): void => {
      if (remark === undefined) return
      warn(resource, [remark])
      shared.push({ resource, warning: findingOf(resource, remark) })
    },
    /** Adds the findings of a part of the tree; warnings of a tenant or customer name its first resource. */
    add: ({ tenant, customer, parent, members, outcomes }: BuiltPart): void => {
      if (parent !== undefined) warn((customer ?? tenant).first.resource, parent.remarks)
      for (const [at, { resource }] of members.entries()) {
        const outcome = outcomes[at]
        if (outcome === undefined) continue
        warn(resource, outcome.remarks)
        if (outcome.refusal !== undefined) skip(resource, outcome.refusal)
      }
    },
    shared,
    sorted,
    skippedInOrder: inOrder(skipped, byIdentity),
    warningsInOrder: inOrder(warnings, byIdentity),
    addToSkipped: (one: Skipped) => void sorted.skipped.push(one),
    addToWarnings: (one: Warning) => void sorted.warnings.push(one),
  }
}

const byIdentity = (a: Skipped | Warning, b: Skipped | Warning): number =>
  compare(a.uuid ?? "", b.uuid ?? "") ||
  compare(a.slug ?? "", b.slug ?? "") ||
  compare(a.offering_slug ?? "", b.offering_slug ?? "") ||
  compare(a.field, b.field) ||
  compare(a.code, b.code) ||
  compare(jsonText(a.found), jsonText(b.found)) ||
  compare(a.reason, b.reason)
