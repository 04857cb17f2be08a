import { Result } from "effect"
import { stateOf } from "../rules/lifecycle.ts"
import { parentDirectory } from "../rules/mount-path.ts"
import { compare } from "./code-unit-order.ts"
import { getOrMake } from "./get-or-make.ts"
import { byAge, byTenant, type Located } from "./place.ts"
import { eachInSteps, type Steps, sortInSteps } from "./steps.ts"

/** Resources that have a tenant or customer in common, and what they say together: those left out included. */
export interface Group {
  /** The first of them in the order of the list. */
  readonly first: Located
  /** Their Waldur states. */
  readonly states: ReadonlySet<string>
  /** The directory that all their paths have in common at the level, where Waldur gave every one of the paths. */
  readonly sharedDirectory: string | undefined
  /** Where there is none: the first of the resources that speaks against it. */
  readonly against: Located | undefined
}

/** The resources of a customer slug, the oldest first. */
export interface CustomerGroup extends Group {
  readonly members: ReadonlyArray<Located>
}

/** The resources of a tenant in one data type of a storage system. */
export interface TenantGroup extends Group {
  readonly customers: ReadonlyArray<CustomerGroup>
}

/** All resources in the order of the list: system, data type, tenant, customer, then age. */
export function* groupsOf(located: ReadonlyArray<Located>): Steps<ReadonlyArray<TenantGroup>> {
  const gathered = new Map<string, Map<string, Array<Located>>>()
  yield* eachInSteps(located, (one) => {
    // There is no slash in system, data type and tenant, so that their directory tells all three.
    const tenant = getOrMake(gathered, one.tenantPath, () => new Map<string, Array<Located>>())
    getOrMake(tenant, one.resource.customer_slug, () => []).push(one)
  })

  const tenants: Array<TenantGroup> = []
  for (const bySlug of gathered.values()) {
    const ofTenant = summary(grandparent)
    const customers: Array<CustomerGroup> = []
    for (const [, unsorted] of yield* sortInSteps([...bySlug], ([a], [b]) => compare(a, b))) {
      const members = yield* sortInSteps(unsorted, byAge)
      const ofCustomer = summary(parentDirectory)
      yield* eachInSteps(members, (one) => {
        ofTenant.add(one)
        ofCustomer.add(one)
      })
      customers.push({ ...ofCustomer.group(), members })
    }
    tenants.push({ ...ofTenant.group(), customers })
  }
  return yield* sortInSteps(tenants, (a, b) => byTenant(a.first, b.first))
}

/** The resources of some tenants in the order of the list. */
export function* membersOf(tenants: Iterable<TenantGroup>): Generator<Located, void> {
  for (const tenant of tenants) for (const customer of tenant.customers) yield* customer.members
}

/** What resources say together that are added in the order of the list. */
const summary = (directoryOf: (path: string) => string) => {
  let first: Located | undefined
  let against: Located | undefined
  const states = new Set<string>()
  const directories = new Set<string>()
  return {
    add: (one: Located) => {
      first ??= one
      states.add(stateOf(one.resource.state))
      // Two tell as much as more would: that there is none in common.
      if (directories.size > 1) return
      directories.add(one.pathFromWaldur && Result.isSuccess(one.path) ? directoryOf(one.path.success) : "/")
      if (directories.size > 1) against = one
    },
    group: (): Group => {
      const [directory] = directories.size === 1 ? directories : []
      const sharedDirectory = directory === "/" ? undefined : directory
      if (sharedDirectory === undefined) against ??= first
      return { first: first as Located, states, sharedDirectory, against }
    },
  }
}

const grandparent = (path: string) => parentDirectory(parentDirectory(path))
