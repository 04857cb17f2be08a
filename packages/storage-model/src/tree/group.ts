/** Groups placed resources by tenant and customer, in the order of the list, with what each group tells together. */

import { type StorageNames, storageNames } from "../entry/storage-names.ts"
import { stateOf } from "../rules/lifecycle.ts"
import { parentDirectory } from "../rules/mount-path.ts"
import type { ModelSettings } from "../settings.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { type CustomerDirectories, consider, type NamingCandidates, noCandidates } from "./customers.ts"
import { getOrMake } from "./get-or-make.ts"
import { below, collect, compare, inOrder } from "./order.ts"
import { byAge, byTenant, isFromWaldur, type PlacedResource } from "./place.ts"

/** Resources that have a tenant or customer in common, and what they tell together: those that are skipped included. */
export interface Group {
  /** The first of them in the order of the list. */
  readonly first: PlacedResource
  /** Their Waldur states. */
  readonly states: Set<string>
  /** The directories that their paths have at the level; `/` for a path that Waldur did not give. Two are enough. */
  readonly directories: Set<string>
  /** The first of the resources whose directory is another than that of the first one. */
  against: PlacedResource | undefined
}

/** The resources of a customer slug, the oldest first. */
export interface CustomerGroup extends Group, NamingCandidates {
  readonly tenant: TenantGroup
  readonly members: Array<PlacedResource>
}

/** The resources of a tenant in one data type of a storage system. */
export interface TenantGroup extends Group {
  readonly names: StorageNames
  /** The first that names its provider. */
  named: WaldurResource | undefined
  readonly customers: Array<CustomerGroup>
}

/** The directory that all paths of a group have in common at the level, if Waldur gave every one of the paths. */
export const sharedDirectoryOf = ({ directories }: Group): string | undefined => {
  const [directory] = directories.size === 1 ? directories : []
  return directory === "/" ? undefined : directory
}

/** Sorts resources while they are added, and gives them in the order of the list. */
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
    // There is no slash in system, data type and tenant, so that their directory tells all three.
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

/** Gathers resources that come in the order of the list into tenants and their customers. */
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
  // Two tell as much as more would: that there is none in common.
  if (group.directories.size > 1) return
  group.directories.add(isFromWaldur(one.path) ? directoryOf(one.path.value) : "/")
  if (group.directories.size > 1) group.against = one
}
