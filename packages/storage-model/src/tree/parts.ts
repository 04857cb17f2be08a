/** The tree in parts of which each costs a few milliseconds at most, however many resources a customer has. */
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

/** A tenant, or some neighbouring resources of one customer with, at first, the customer itself; and what became of them. */
export interface BuiltPart {
  readonly tenant: TenantGroup
  readonly customer: CustomerGroup | undefined
  /** What became of the tenant or customer; `undefined` for later resources of a customer. */
  readonly parent: Outcome | undefined
  readonly members: ReadonlyArray<PlacedResource>
  /** What became of the members. */
  readonly outcomes: ReadonlyArray<Outcome>
  /** All entries of these outcomes, in their order: at most 256. */
  readonly entries: ReadonlyArray<PlacedEntry>
}

/** Entries of a part at most: the costliest take a few milliseconds. */
const mostInPart = 256

/** The parts of some tenants in the order of the list. */
export const partsOf = (tenants: Iterable<TenantGroup>): Iterable<TenantGroup | CustomerSlice> =>
  below(tenants, (tenant) =>
    below<TenantGroup | CustomerGroup, TenantGroup | CustomerSlice>([tenant, ...tenant.customers], (group) =>
      "customers" in group ? [group] : slicesOf(group),
    ),
  )

/** The customer's own entry is one of the first slice's. */
const slicesOf = (customer: CustomerGroup): ReadonlyArray<CustomerSlice> =>
  Array.from({ length: Math.ceil((customer.members.length + 1) / mostInPart) }, (_, number) => {
    const from = Math.max(0, number * mostInPart - 1)
    return { customer, from, members: customer.members.slice(from, (number + 1) * mostInPart - 1) }
  })

/** Builds a part. */
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
