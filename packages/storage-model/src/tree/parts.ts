/** Splits the tree into parts that are built and encoded one by one, and reused while nothing in them changes. */
import {
  buildCustomer,
  buildTenant,
  type CustomerSlice,
  type Outcome,
  type PlacedEntry,
  type TreeContext,
} from "./customer-tree.ts"
import type { CustomerGroup, TenantGroup } from "./group.ts"
import type { PlacedResource } from "./place.ts"

/** A part of the tree: a tenant alone, or consecutive resources of one customer. */
export type TreePart = TenantGroup | CustomerSlice

/** A part with its outcomes. */
export interface BuiltPart {
  readonly part: TreePart
  readonly tenant: TenantGroup
  readonly customer: CustomerGroup | undefined
  /** The outcome of the tenant or customer; `undefined` in later parts of a customer. */
  readonly parent: Outcome | undefined
  readonly members: ReadonlyArray<PlacedResource>
  /** The outcomes of the members. */
  readonly outcomes: ReadonlyArray<Outcome>
  /** The entries of these outcomes, in order; at most 16. */
  readonly entries: ReadonlyArray<PlacedEntry>
}

/** Maximum number of entries in a part: small, since a changed entry costs its whole part. */
const maxInPart = 16

/**
 * The slices of a customer; the first one counts the customer's own entry.
 *
 * @param before its slices before a change; one that has the same resources is reused, except the first
 */
export const slicesOf = (customer: CustomerGroup, before: ReadonlyArray<CustomerSlice>): ReadonlyArray<CustomerSlice> =>
  Array.from({ length: Math.ceil((customer.members.length + 1) / maxInPart) }, (_, number) => {
    const from = Math.max(0, number * maxInPart - 1)
    const members = customer.members.slice(from, (number + 1) * maxInPart - 1)
    const known = number === 0 ? undefined : before[number]
    const isSame = known?.members.length === members.length && known.members.every((one, at) => one === members[at])
    return isSame ? known : { customer, from, members }
  })

export const builtPart = (part: TreePart, context: TreeContext): BuiltPart => {
  if ("customers" in part) {
    const parent = buildTenant(part, context)
    const entries = parent.placed === undefined ? [] : [parent.placed]
    return { part, tenant: part, customer: undefined, parent, members: [], outcomes: [], entries }
  }
  const { customer, members } = part
  const { customer: parent, members: outcomes } = buildCustomer(part, context)
  const entries: Array<PlacedEntry> = []
  if (parent?.placed !== undefined) entries.push(parent.placed)
  for (const { placed } of outcomes) if (placed !== undefined) entries.push(placed)
  return { part, tenant: customer.tenant, customer, parent, members, outcomes, entries }
}
