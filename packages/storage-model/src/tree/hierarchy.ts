/**
 * Builds the whole tree. `hierarchyPasses` defines the passes and their order; `buildHierarchy` runs them synchronously,
 * while a server can yield between items.
 */
import type { Skipped, Warning } from "../report/finding.ts"
import { pathRule } from "../rules/mount-path.ts"
import { isRefusal, type Refusal, refuse } from "../rules/ruling.ts"
import type { ModelSettings } from "../settings.ts"
import type { DecodedResources, WaldurResource } from "../waldur/resource.ts"
import type { CustomerSlice, PlacedEntry, TreeContext } from "./customer-tree.ts"
import { type CustomerList, customerDirectories } from "./customers.ts"
import { treeFindings } from "./findings.ts"
import { groupByTenant, listOrder, type TenantGroup } from "./group.ts"
import { occupancyOf, type ProtectedPath } from "./occupancy.ts"
import { below } from "./order.ts"
import { type BuiltPart, builtPart, partsOf } from "./parts.ts"
import { type PlacedResource, resourcePlacer } from "./place.ts"
import { distinctRecords } from "./records.ts"
import type { GidAnswer } from "./resource-entry.ts"
import { sharedGids, sharedProjectSlugs } from "./shared-identity.ts"

/** The inputs of the tree. */
export interface HierarchyInput {
  readonly decoded: DecodedResources
  /** Each offering's own list of customers, by the offering's dashed UUID; no key if the list could not be read. */
  readonly customers: ReadonlyMap<string, CustomerList>
  /** By project slug; `projectsWithoutItem` returns those that are needed. */
  readonly gids: ReadonlyMap<string, GidAnswer>
  readonly settings: ModelSettings
  /**
   * The dashed UUIDs of the offerings that the token's user provides, by slug. A resource of another offering with the
   * same slug is skipped as `foreign-offering`. If `undefined`, any offering with a configured slug is served.
   */
  readonly offerings?: ReadonlyMap<string, ReadonlySet<string>>
  /**
   * Directories of projects and users that are live although no row shows it: of entries that a guard retains, or whose
   * offering is invisible. Directories of tenants and customers do not belong here, as they hold many.
   */
  readonly protectedPaths?: ReadonlyArray<ProtectedPath>
}

/** The tree as a list, each parent right before the entries below it, with the findings. */
export interface Hierarchy {
  readonly entries: ReadonlyArray<PlacedEntry>
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
}

/** The results that are available after the last pass. */
export interface HierarchyEnd extends Omit<Hierarchy, "entries"> {
  /** Why a directory must not be removed, considering all rows and protected paths; `undefined` if it may be removed. */
  readonly protects: (path: string) => string | undefined
}

/** A pass: visits some items in order. `go` runs the loop and decides when to yield. */
export type Pass = <R>(go: <A>(items: Iterable<A>, visit: (item: A) => void) => R) => R

/** A resource without a place in the tree. */
interface RefusedResource {
  readonly resource: WaldurResource
  readonly refusal: Refusal
}

/** The tree under construction. */
export interface HierarchyWork {
  /** To be run in this order. */
  readonly passes: ReadonlyArray<Pass>
  readonly refused: ReadonlyArray<RefusedResource>
  /** Warnings about identities that several resources share; complete after the last pass. */
  readonly shared: ReadonlyArray<{ readonly resource: WaldurResource; readonly warning: Warning }>
  /** Call it after the last pass. */
  readonly end: () => HierarchyEnd
}

/**
 * Builds the tree (tenant, customer, project) of every storage system from all Waldur resources.
 *
 * A record that cannot be served is skipped with a reason and does not affect other records; the tenant and customer
 * above it stay if it identifies them correctly. The result depends on the content of the input, not on its order. Never
 * throws.
 */
export const buildHierarchy = (input: HierarchyInput): Hierarchy => {
  const entries: Array<PlacedEntry> = []
  const { passes, end } = hierarchyPasses(input, (part) => entries.push(...part.entries))
  for (const pass of passes) pass(inOneGo)
  const { skipped, warnings } = end()
  return { entries, skipped, warnings }
}

/** Runs a pass without yielding. */
export const inOneGo = <A>(items: Iterable<A>, visit: (item: A) => void): void => {
  for (const item of items) visit(item)
}

/**
 * The construction of the tree as passes over many cheap items: place the resources, group them, determine which
 * directories are occupied, build each customer.
 *
 * @param take receives the parts of the tree in order: a tenant alone, then its customers. How the resources of a
 *   customer are split into parts depends on that customer only
 */
export const hierarchyPasses = (input: HierarchyInput, take: (part: BuiltPart) => void): HierarchyWork => {
  const { decoded, settings } = input
  const findings = treeFindings()
  const refused: Array<RefusedResource> = []
  const unplaced: Array<unknown> = [...decoded.malformed]
  const skip = (resource: WaldurResource, refusal: Refusal) => {
    findings.skip(resource, refusal)
    refused.push({ resource, refusal })
    unplaced.push(resource)
  }
  const records = distinctRecords((resource, problem) => skip(resource, refuse("duplicate", problem)))
  const rule = pathRule(settings.mountRoots)
  const placeResource = resourcePlacer(settings, input.offerings, rule)
  const list = listOrder()
  const customers = customerDirectories(input.customers)
  const groups = groupByTenant(settings, customers)
  const occupancy = occupancyOf(records.contested, rule)
  const [gids, slugs] = [sharedGids(settings), sharedProjectSlugs()]
  const context: TreeContext = { settings, gids: input.gids, occupancy, rule, customers }

  const place = ({ resource }: { readonly resource: WaldurResource }) => {
    records.compareWithMalformed(resource)
    const placed = placeResource(resource)
    if (isRefusal(placed)) return skip(resource, placed)
    findings.warn(resource, placed.path.remarks)
    list.add(placed)
  }
  const group = (placed: PlacedResource) => {
    groups.add(placed)
    occupancy.addPlaced(placed)
    slugs.addPlaced(placed)
  }
  const build = (part: TenantGroup | CustomerSlice) => {
    const built = builtPart(part, context)
    findings.add(built)
    gids.addPart(built)
    take(built)
  }
  return {
    passes: [
      pass(decoded.malformed, records.addMalformed),
      pass(decoded.resources, records.add),
      pass(records.kept, place),
      pass(customersIn(input.customers), customers.add),
      pass(list.inListOrder, group),
      pass(unplaced, occupancy.addUnplaced),
      pass(unplaced, slugs.addUnplaced),
      pass(input.protectedPaths ?? [], occupancy.protect),
      pass(occupancy.claims, occupancy.enter),
      pass(partsOf(groups.tenants), build),
      pass(input.gids, gids.addAnswer),
      pass(gids.served, (served) => findings.warnShared(served.resource, gids.remarkOn(served))),
      pass(membersOf(groups.tenants), (placed) => findings.warnShared(placed.resource, slugs.remarkOn(placed))),
      pass(decoded.skipped, findings.addSkipped),
      pass(findings.skippedInOrder, findings.addToSkipped),
      pass(findings.warningsInOrder, findings.addToWarnings),
    ],
    refused,
    shared: findings.shared,
    end: () => ({ ...findings.sorted, protects: occupancy.against }),
  }
}

const pass =
  <A>(items: Iterable<A>, visit: (item: A) => void): Pass =>
  (go) =>
    go(items, visit)

const customersIn = (lists: ReadonlyMap<string, CustomerList>) =>
  below(lists, ([offering, list]) => below(list === "refused" ? [] : list, (customer) => [{ offering, customer }]))

/** The resources of some tenants in list order. */
const membersOf = (tenants: Iterable<TenantGroup>): Iterable<PlacedResource> =>
  below(tenants, ({ customers }) => below(customers, ({ members }) => members))
