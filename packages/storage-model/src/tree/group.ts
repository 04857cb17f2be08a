/** Groups placed resources by tenant and customer, in list order, and aggregates what the parent entries need. */

import { type StorageNames, storageNames } from "../entry/storage-names.ts"
import { stateOf } from "../rules/lifecycle.ts"
import { parentDirectory } from "../rules/mount-path.ts"
import type { ModelSettings } from "../settings.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { type CustomerDirectories, consider, type NamingCandidates, noCandidates } from "./customers.ts"
import { getOrMake } from "./get-or-make.ts"
import { below, collect, compare, inOrder } from "./order.ts"
import { byAge, byTenant, isFromWaldur, type PlacedResource } from "./place.ts"

/** The resources of one tenant or customer, including skipped ones, with their aggregates. */
export interface Group {
  /** The first of them in list order. */
  readonly first: PlacedResource
  /** Their Waldur states. */
  readonly states: Set<string>
  /** The ancestors of their paths at this level; `/` for a path that does not come from `backend_id`. At most two. */
  readonly directories: Set<string>
  /** The first resource whose directory at this level differs from that of `first`. */
  against: PlacedResource | undefined
}

/** The resources with one customer slug, oldest first. */
export interface CustomerGroup extends Group, NamingCandidates {
  readonly tenant: TenantGroup
  readonly members: Array<PlacedResource>
}

/** The resources of a tenant in one data type of a storage system. */
export interface TenantGroup extends Group {
  readonly names: StorageNames
  /** The first resource that names its provider. */
  named: WaldurResource | undefined
  readonly customers: Array<CustomerGroup>
}

/** The directory that all paths of a group share at its level, if every path comes from `backend_id`. */
export const sharedDirectoryOf = ({ directories }: Group): string | undefined => {
  const [directory] = directories.size === 1 ? directories : []
  return directory === "/" ? undefined : directory
}

/** Sorts resources as they are added, and iterates over them in list order. */
export const listOrder = () => {
  interface Customer {
    readonly slug: string
    readonly members: Array<PlacedResource>
  }
  interface Tenant {
    readonly any: PlacedResource
    readonly bySlug: Map<string, Customer>
    readonly customers: Array<Customer>
  }
  const byPath = new Map<string, Tenant>()
  const tenants: Array<Tenant> = []
  const tenantOrder = (a: Tenant, b: Tenant) => byTenant(a.any, b.any)
  const customerOrder = (a: Customer, b: Customer) => compare(a.slug, b.slug)
  const add = (one: PlacedResource): void => {
    // System, data type and tenant contain no slash, so their directory identifies all three.
    const tenant = getOrMake(byPath, one.tenantPath, () => {
      const made: Tenant = { any: one, bySlug: new Map(), customers: [] }
      collect(tenants, made, tenantOrder)
      return made
    })
    const customer = getOrMake(tenant.bySlug, one.resource.customer_slug, () => {
      const made: Customer = { slug: one.resource.customer_slug, members: [] }
      collect(tenant.customers, made, customerOrder)
      return made
    })
    collect(customer.members, one, byAge)
  }
  const inListOrder = below(
    below(inOrder(tenants, tenantOrder), ({ customers }) => inOrder(customers, customerOrder)),
    ({ members }) => inOrder(members, byAge),
  )
  return { add, inListOrder }
}

/** Groups resources that arrive in list order into tenants and their customers. */
export const groupByTenant = (settings: ModelSettings, directories: CustomerDirectories) => {
  const tenants: Array<TenantGroup> = []
  const add = (one: PlacedResource): void => {
    const { resource } = one
    let tenant = tenants.at(-1)
    if (tenant?.first.tenantPath !== one.tenantPath) {
      tenant = {
        ...groupOf(one),
        names: storageNames(resource.offering_slug, one.dataType.value, settings),
        named: undefined,
        customers: [],
      }
      tenants.push(tenant)
    }
    if (resource.provider_name) tenant.named ??= resource
    let customer = tenant.customers.at(-1)
    if (customer?.first.resource.customer_slug !== resource.customer_slug) {
      customer = { ...groupOf(one), ...noCandidates(), tenant, members: [] }
      tenant.customers.push(customer)
    }
    customer.members.push(one)
    include(tenant, one, grandparent)
    include(customer, one, parentDirectory)
    consider(customer, resource, directories)
  }
  return { add, tenants: tenants as ReadonlyArray<TenantGroup> }
}

const groupOf = (first: PlacedResource): Group => ({
  first,
  states: new Set(),
  directories: new Set(),
  against: undefined,
})

const grandparent = (path: string) => parentDirectory(parentDirectory(path))

const include = (group: Group, one: PlacedResource, directoryOf: (path: string) => string) => {
  group.states.add(stateOf(one.resource.state))
  // Two are enough to know that there is none in common.
  if (group.directories.size > 1) return
  group.directories.add(isFromWaldur(one.path) ? directoryOf(one.path.value) : "/")
  if (group.directories.size > 1) group.against = one
}
