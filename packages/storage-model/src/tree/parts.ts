/** Splits the tree into parts that each take a few milliseconds at most, however many resources a customer has. */
import {
  buildCustomer,
  buildTenant,
  type CustomerSlice,
  type Outcome,
  type PlacedEntry,
  type TreeContext,
} from "./customer-tree.ts"
import type { CustomerGroup, TenantGroup } from "./group.ts"
import { below } from "./order.ts"
import type { PlacedResource } from "./place.ts"

/** A tenant, or consecutive resources of one customer (the first part includes the customer), with their outcomes. */
export interface BuiltPart {
  readonly tenant: TenantGroup
  readonly customer: CustomerGroup | undefined
  /** The outcome of the tenant or customer; `undefined` in later parts of a customer. */
  readonly parent: Outcome | undefined
  readonly members: ReadonlyArray<PlacedResource>
  /** The outcomes of the members. */
  readonly outcomes: ReadonlyArray<Outcome>
  /** The entries of these outcomes, in order; at most 256. */
  readonly entries: ReadonlyArray<PlacedEntry>
}

/** Maximum number of entries in a part; the most expensive ones take a few milliseconds. */
const mostInPart = 256

/** The parts of some tenants in list order. */
export const partsOf = (tenants: Iterable<TenantGroup>): Iterable<TenantGroup | CustomerSlice> =>
  below(tenants, (tenant) =>
    below<TenantGroup | CustomerGroup, TenantGroup | CustomerSlice>([tenant, ...tenant.customers], (group) =>
      "customers" in group ? [group] : slicesOf(group),
    ),
  )

/** The first slice counts the customer's own entry. */
const slicesOf = (customer: CustomerGroup): ReadonlyArray<CustomerSlice> =>
  Array.from({ length: Math.ceil((customer.members.length + 1) / mostInPart) }, (_, number) => {
    const from = Math.max(0, number * mostInPart - 1)
    return { customer, from, members: customer.members.slice(from, (number + 1) * mostInPart - 1) }
  })

export const builtPart = (part: TenantGroup | CustomerSlice, context: TreeContext): BuiltPart => {
  if ("customers" in part) {
    const parent = buildTenant(part, context)
    const entries = parent.placed === undefined ? [] : [parent.placed]
    return { tenant: part, customer: undefined, parent, members: [], outcomes: [], entries }
  }
  const { customer, members } = part
  const { customer: parent, members: outcomes } = buildCustomer(part, context)
  const entries: Array<PlacedEntry> = []
  if (parent?.placed !== undefined) entries.push(parent.placed)
  for (const { placed } of outcomes) if (placed !== undefined) entries.push(placed)
  return { tenant: customer.tenant, customer, parent, members, outcomes, entries }
}
