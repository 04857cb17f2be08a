/** Groups placed resources by tenant and customer, in list order, and aggregates what the parent entries need. */

import { type StorageNames, storageNames } from "../entry/storage-names.ts"
import { getOrMake } from "../get-or-make.ts"
import { stateOf } from "../rules/lifecycle.ts"
import { parentDirectory } from "../rules/mount-path.ts"
import type { ModelSettings } from "../settings.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { addNaming, type CustomerIndex, type NamingCandidates, noCandidates } from "./customers.ts"
import { collect, compare, flatMapLazily, inOrder } from "./order.ts"
import { type Pass, pass } from "./pass.ts"
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
  differing: PlacedResource | undefined
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
export const sharedDirectoryOf = ({ directory, differing }: Group): string | undefined =>
  differing === undefined && directory !== "/" ? directory : undefined

const grandparent = (path: string) => parentDirectory(parentDirectory(path))
const directoryOf = ({ path }: PlacedResource, above: (path: string) => string) =>
  isFromWaldur(path) ? above(path.value) : "/"

const slugOf = ({ first }: CustomerGroup) => first.resource.customer_slug
const bySlug = (a: CustomerGroup, b: CustomerGroup) => compare(slugOf(a), slugOf(b))
const byNames = (a: TenantGroup, b: TenantGroup) => byTenant(a.first, b.first)

const emptyCustomer = (tenant: TenantGroup, first: PlacedResource): CustomerGroup => {
  const states: ReadonlySet<string> = new Set()
  return {
    ...{ tenant, first, states, directory: directoryOf(first, parentDirectory), differing: undefined },
    ...{ all: new Set(), members: [], naming: noCandidates() },
    forTenant: { first, states, directory: directoryOf(first, grandparent), differing: undefined, named: undefined },
  }
}

const emptyTenant = (first: PlacedResource, settings: ModelSettings): TenantGroup => ({
  ...{ first, states: new Set<string>(), directory: directoryOf(first, grandparent), differing: undefined },
  names: storageNames(first.resource.offering_slug, first.dataType.value, settings),
  ...{ named: undefined, bySlug: new Map(), customers: [] },
})

/** Adds the next resource in list order. */
const addMember = (customer: CustomerGroup, one: PlacedResource, index: CustomerIndex): void => {
  const { forTenant } = customer
  const { resource } = one
  const state = stateOf(resource.state)
  if (!customer.states.has(state)) customer.states = forTenant.states = new Set([...customer.states, state])
  if (directoryOf(one, parentDirectory) !== customer.directory) customer.differing ??= one
  if (directoryOf(one, grandparent) !== forTenant.directory) forTenant.differing ??= one
  if (resource.provider_name) forTenant.named ??= resource
  addNaming(customer.naming, resource, index)
}

/** Adds the next customer in list order. */
const addCustomer = (tenant: TenantGroup, { forTenant }: CustomerGroup): void => {
  for (const state of forTenant.states) {
    if (!tenant.states.has(state)) tenant.states = new Set([...tenant.states, state])
  }
  tenant.differing ??= forTenant.directory === tenant.directory ? forTenant.differing : forTenant.first
  tenant.named ??= forTenant.named
}

/** The tenants and customers of resources that come and go; `passes` bring them up to date. */
export class GroupedResources {
  readonly #settings: ModelSettings
  readonly #index: CustomerIndex
  readonly #byPath = new Map<string, TenantGroup>()
  /** Those of the last passes, until `settle`. */
  readonly changed = new Set<CustomerGroup>()
  readonly #changedTenants = new Set<TenantGroup>()
  /** Tenants whose customers came or went. */
  readonly #reorderedTenants = new Set<TenantGroup>()
  #areTenantsReordered = false
  #tenants: ReadonlyArray<TenantGroup> = []
  readonly passes: ReadonlyArray<Pass>

  constructor(settings: ModelSettings, index: CustomerIndex) {
    this.#settings = settings
    this.#index = index
    this.passes = [...this.#sortingMembers(), ...this.#sortingCustomers(), ...this.#sortingTenants()]
  }

  /** In list order, as of the last passes. */
  tenants(): ReadonlyArray<TenantGroup> {
    return this.#tenants
  }

  isChanged(group: CustomerGroup | TenantGroup): boolean {
    return "customers" in group ? this.#changedTenants.has(group) : this.changed.has(group)
  }

  add(one: PlacedResource): CustomerGroup {
    // System, data type and tenant contain no slash, so their directory identifies all three.
    const tenant = getOrMake(this.#byPath, one.tenantPath, () => {
      this.#areTenantsReordered = true
      return emptyTenant(one, this.#settings)
    })
    const customer = getOrMake(tenant.bySlug, one.resource.customer_slug, () => {
      this.#reorderedTenants.add(tenant)
      return emptyCustomer(tenant, one)
    })
    customer.all.add(one)
    this.change(customer)
    return customer
  }

  remove(one: PlacedResource, customer: CustomerGroup): void {
    const { tenant } = customer
    customer.all.delete(one)
    this.change(customer)
    if (customer.all.size > 0) return
    customer.members = []
    tenant.bySlug.delete(one.resource.customer_slug)
    this.#reorderedTenants.add(tenant)
    if (tenant.bySlug.size > 0) return
    this.#byPath.delete(one.tenantPath)
    this.#areTenantsReordered = true
  }

  /** To be called for a customer that must be looked at again, although its resources did not change. */
  change(customer: CustomerGroup): void {
    this.changed.add(customer)
    this.#changedTenants.add(customer.tenant)
  }

  /** To be called after the passes. */
  settle(): void {
    this.#areTenantsReordered = false
    for (const set of [this.changed, this.#changedTenants, this.#reorderedTenants]) set.clear()
  }

  #sortingMembers(): ReadonlyArray<Pass> {
    const unsorted = new Map<CustomerGroup, Array<PlacedResource>>()
    // Of the customer whose resources are visited.
    let members: Array<PlacedResource> = []
    let current: CustomerGroup | undefined
    const begin = (customer: CustomerGroup) => {
      members = []
      if (customer.all.size > 0) unsorted.set(customer, members)
      return customer.all
    }
    const beginSorted = ([customer, some]: readonly [CustomerGroup, Array<PlacedResource>]) => {
      const sorted = inOrder(some, byAge)
      members = []
      current = customer
      const [first] = sorted
      if (first !== undefined) {
        Object.assign(customer, { ...emptyCustomer(customer.tenant, first), all: customer.all, members })
      }
      return sorted
    }
    return [
      pass(
        () => {
          unsorted.clear()
          return flatMapLazily(this.changed, begin)
        },
        (one) => collect(members, one, byAge),
      ),
      pass(
        () => flatMapLazily(unsorted, beginSorted),
        (one) => {
          members.push(one)
          if (current !== undefined) addMember(current, one, this.#index)
        },
      ),
    ]
  }

  #sortingCustomers(): ReadonlyArray<Pass> {
    const unsorted = new Map<TenantGroup, Array<CustomerGroup>>()
    // Of the tenant whose customers are visited.
    let customers: Array<CustomerGroup> = []
    let current: TenantGroup | undefined
    const begin = (tenant: TenantGroup) => {
      customers = []
      unsorted.set(tenant, customers)
      return tenant.bySlug.values()
    }
    const beginSorted = (tenant: TenantGroup) => {
      const some = unsorted.get(tenant)
      const sorted = some === undefined ? tenant.customers : inOrder(some, bySlug)
      customers = []
      current = tenant
      const [first] = sorted
      if (first !== undefined) {
        Object.assign(tenant, { ...first.forTenant, states: new Set<string>(), differing: undefined, named: undefined })
      }
      tenant.customers = customers
      return sorted
    }
    return [
      pass(
        () => {
          unsorted.clear()
          return flatMapLazily(this.#reorderedTenants, begin)
        },
        (one) => collect(customers, one, bySlug),
      ),
      pass(
        () => flatMapLazily(this.#changedTenants, beginSorted),
        (one) => {
          customers.push(one)
          if (current !== undefined) addCustomer(current, one)
        },
      ),
    ]
  }

  #sortingTenants(): ReadonlyArray<Pass> {
    let unsorted: Array<TenantGroup> = []
    let sorted: Array<TenantGroup> = []
    return [
      pass(
        () => {
          ;[unsorted, sorted] = [[], []]
          return this.#areTenantsReordered ? this.#byPath.values() : []
        },
        (one) => collect(unsorted, one, byNames),
      ),
      pass(
        () => inOrder(unsorted, byNames),
        (one) => void sorted.push(one),
      ),
      pass(
        () => (this.#areTenantsReordered ? [sorted] : []),
        (all) => {
          this.#tenants = all
        },
      ),
    ]
  }
}
