/** Groups placed resources by tenant and customer, in list order, and aggregates what the parent entries need. */

import { type StorageNames, storageNames } from "../entry/storage-names.ts"
import { stateOf } from "../rules/lifecycle.ts"
import { parentDirectory } from "../rules/mount-path.ts"
import type { ModelSettings } from "../settings.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { type CustomerDirectories, consider, type NamingCandidates, noCandidates } from "./customers.ts"
import { getOrMake } from "./get-or-make.ts"
import { below, collect, compare, inOrder } from "./order.ts"
import { pass } from "./pass.ts"
import { byAge, byTenant, isFromWaldur, type PlacedResource } from "./place.ts"

/** The resources of one tenant or customer, including skipped ones, with their aggregates. */
export interface Group {
  /** The first of them in list order. */
  first: PlacedResource
  /** Their Waldur states. */
  states: ReadonlySet<string>
  /** The ancestor of the path of `first` at this level; `/` if that path does not come from `backend_id`. */
  directory: string
  /** The first resource whose directory at this level differs. */
  against: PlacedResource | undefined
}

/** A group at the level of the tenant. */
interface TenantAggregates extends Group {
  /** The first resource that names its provider. */
  named: WaldurResource | undefined
}

/** The resources with one customer slug. */
export interface CustomerGroup extends Group {
  readonly tenant: TenantGroup
  readonly all: Set<PlacedResource>
  /** All of them, oldest first. */
  members: ReadonlyArray<PlacedResource>
  naming: NamingCandidates
  /** What they add to the tenant. */
  forTenant: TenantAggregates
}

/** The resources of a tenant in one data type of a storage system. */
export interface TenantGroup extends TenantAggregates {
  readonly names: StorageNames
  readonly bySlug: Map<string, CustomerGroup>
  /** In list order. */
  customers: ReadonlyArray<CustomerGroup>
}

/** The directory that all paths of a group share at its level, if every path comes from `backend_id`. */
export const sharedDirectoryOf = ({ directory, against }: Group): string | undefined =>
  against === undefined && directory !== "/" ? directory : undefined

const grandparent = (path: string) => parentDirectory(parentDirectory(path))
const directoryOf = ({ path }: PlacedResource, above: (path: string) => string) =>
  isFromWaldur(path) ? above(path.value) : "/"

const slugOf = ({ first }: CustomerGroup) => first.resource.customer_slug
const bySlug = (a: CustomerGroup, b: CustomerGroup) => compare(slugOf(a), slugOf(b))
const byNames = (a: TenantGroup, b: TenantGroup) => byTenant(a.first, b.first)

const emptyCustomer = (tenant: TenantGroup, first: PlacedResource): CustomerGroup => {
  const states: ReadonlySet<string> = new Set()
  return {
    ...{ tenant, first, states, directory: directoryOf(first, parentDirectory), against: undefined },
    ...{ all: new Set(), members: [], naming: noCandidates() },
    forTenant: { first, states, directory: directoryOf(first, grandparent), against: undefined, named: undefined },
  }
}

const emptyTenant = (first: PlacedResource, settings: ModelSettings): TenantGroup => ({
  ...{ first, states: new Set<string>(), directory: directoryOf(first, grandparent), against: undefined },
  names: storageNames(first.resource.offering_slug, first.dataType.value, settings),
  ...{ named: undefined, bySlug: new Map(), customers: [] },
})

/** Adds the next resource in list order. */
const addMember = (customer: CustomerGroup, one: PlacedResource, directories: CustomerDirectories): void => {
  const { forTenant } = customer
  const { resource } = one
  const state = stateOf(resource.state)
  if (!customer.states.has(state)) customer.states = forTenant.states = new Set([...customer.states, state])
  if (directoryOf(one, parentDirectory) !== customer.directory) customer.against ??= one
  if (directoryOf(one, grandparent) !== forTenant.directory) forTenant.against ??= one
  if (resource.provider_name) forTenant.named ??= resource
  consider(customer.naming, resource, directories)
}

/** Adds the next customer in list order. */
const addCustomer = (tenant: TenantGroup, { forTenant }: CustomerGroup): void => {
  for (const state of forTenant.states) {
    if (!tenant.states.has(state)) tenant.states = new Set([...tenant.states, state])
  }
  tenant.against ??= forTenant.directory === tenant.directory ? forTenant.against : forTenant.first
  tenant.named ??= forTenant.named
}

/** The tenants and customers of resources that come and go; `passes` bring them up to date. */
export const groupedByTenant = (settings: ModelSettings, directories: CustomerDirectories) => {
  const byPath = new Map<string, TenantGroup>()
  const changed = new Set<CustomerGroup>()
  const changedTenants = new Set<TenantGroup>()
  /** Tenants whose customers came or went. */
  const reorderedTenants = new Set<TenantGroup>()
  let tenants: ReadonlyArray<TenantGroup> = []
  let areTenantsReordered = false

  const change = (customer: CustomerGroup): void => {
    changed.add(customer)
    changedTenants.add(customer.tenant)
  }
  const add = (one: PlacedResource): CustomerGroup => {
    // System, data type and tenant contain no slash, so their directory identifies all three.
    const tenant = getOrMake(byPath, one.tenantPath, () => {
      areTenantsReordered = true
      return emptyTenant(one, settings)
    })
    const customer = getOrMake(tenant.bySlug, one.resource.customer_slug, () => {
      reorderedTenants.add(tenant)
      return emptyCustomer(tenant, one)
    })
    customer.all.add(one)
    change(customer)
    return customer
  }
  const remove = (one: PlacedResource, customer: CustomerGroup): void => {
    const { tenant } = customer
    customer.all.delete(one)
    change(customer)
    if (customer.all.size > 0) return
    customer.members = []
    tenant.bySlug.delete(one.resource.customer_slug)
    reorderedTenants.add(tenant)
    if (tenant.bySlug.size > 0) return
    byPath.delete(one.tenantPath)
    areTenantsReordered = true
  }

  // The group of a loop's current items, and what the loop has found so far.
  let members: Array<PlacedResource> = []
  let customers: Array<CustomerGroup> = []
  let found: Array<TenantGroup> = []
  let customer: CustomerGroup | undefined
  let tenant: TenantGroup | undefined
  const unsortedMembers = new Map<CustomerGroup, Array<PlacedResource>>()
  const unsortedCustomers = new Map<TenantGroup, Array<CustomerGroup>>()
  const unsortedTenants: Array<TenantGroup> = []

  const passes = [
    pass(
      () =>
        below(changed, (one) => {
          members = []
          if (one.all.size > 0) unsortedMembers.set(one, members)
          return one.all
        }),
      (one) => collect(members, one, byAge),
    ),
    pass(
      () =>
        below(unsortedMembers, ([one, unsorted]) => {
          customer = one
          members = []
          const sorted = inOrder(unsorted, byAge)
          for (const first of sorted) {
            const { forTenant, ...aggregates } = emptyCustomer(one.tenant, first)
            Object.assign(one, { ...aggregates, all: one.all, members, forTenant })
            break
          }
          return sorted
        }),
      (one) => {
        members.push(one)
        if (customer !== undefined) addMember(customer, one, directories)
      },
    ),
    pass(
      () =>
        below(reorderedTenants, (one) => {
          customers = []
          unsortedCustomers.set(one, customers)
          return one.bySlug.values()
        }),
      (one) => collect(customers, one, bySlug),
    ),
    pass(
      () =>
        below(changedTenants, (one) => {
          tenant = one
          const unsorted = unsortedCustomers.get(one)
          const sorted = unsorted === undefined ? one.customers : inOrder(unsorted, bySlug)
          customers = []
          for (const { forTenant } of sorted) {
            Object.assign(one, { ...forTenant, states: new Set<string>(), against: undefined, named: undefined })
            break
          }
          one.customers = customers
          return sorted
        }),
      (one) => {
        customers.push(one)
        if (tenant !== undefined) addCustomer(tenant, one)
      },
    ),
    pass(
      () => (areTenantsReordered ? byPath.values() : []),
      (one) => collect(unsortedTenants, one, byNames),
    ),
    pass(
      () => inOrder(unsortedTenants, byNames),
      (one) => void found.push(one),
    ),
    pass(
      () => (areTenantsReordered ? [found] : []),
      (all) => {
        tenants = all
      },
    ),
  ]
  return {
    add,
    remove,
    /** To be called for a customer that must be looked at again, although its resources did not change. */
    change,
    passes,
    /** Of the last passes, until `settle`. */
    changed: changed as Iterable<CustomerGroup>,
    isChanged: (group: CustomerGroup | TenantGroup): boolean =>
      "customers" in group ? changedTenants.has(group) : changed.has(group),
    /** In list order. */
    tenants: (): ReadonlyArray<TenantGroup> => tenants,
    /** To be called after the passes. */
    settle: (): void => {
      areTenantsReordered = false
      found = []
      unsortedTenants.length = 0
      changed.clear()
      changedTenants.clear()
      reorderedTenants.clear()
      unsortedMembers.clear()
      unsortedCustomers.clear()
    },
  }
}
