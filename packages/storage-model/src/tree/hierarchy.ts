/**
 * The whole tree. `hierarchyPasses` names what is gone through, in which order; `buildHierarchy` goes through it in one
 * go, and a server at its own pace.
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

/** All that the tree is made of. */
export interface HierarchyInput {
  readonly decoded: DecodedResources
  /** Each offering's own list of customers, by the offering's dashed UUID; `refused`, or without a key if it could not be read. */
  readonly customers: ReadonlyMap<string, CustomerList>
  /** By project slug; see `projectsWithoutItem` for which are needed. */
  readonly gids: ReadonlyMap<string, GidAnswer>
  readonly settings: ModelSettings
  /**
   * The dashed UUIDs of the offerings that the token's user provides, by slug: a resource of another offering with the
   * same slug is `foreign-offering`. `undefined`: any offering with a configured slug is served.
   */
  readonly offerings?: ReadonlyMap<string, ReadonlySet<string>>
  /**
   * Directories of projects and users that are live though no row says so: of entries that a guard keeps, or whose
   * offering is invisible. Not those of tenants and customers, which hold many.
   */
  readonly protectedPaths?: ReadonlyArray<ProtectedPath>
}

/** The tree as a list, a parent right before what is below it; and what was skipped or is odd. */
export interface Hierarchy {
  readonly entries: ReadonlyArray<PlacedEntry>
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
}

/** What is known after the last pass. */
export interface HierarchyEnd extends Omit<Hierarchy, "entries"> {
  /** Why a directory must not be removed, by what rows, whatever they are, and protected paths tell; `undefined` if it may be. */
  readonly protects: (path: string) => string | undefined
}

/** Something to do with each of some items, in their order; how long it may take at once is decided by what `go` does. */
export type Pass = <R>(go: <A>(items: Iterable<A>, visit: (item: A) => void) => R) => R

/** A resource that has no place in the tree. */
interface RefusedResource {
  readonly resource: WaldurResource
  readonly refusal: Refusal
}

/** The tree while it is made. */
export interface HierarchyWork {
  /** In the order in which they must be gone through. */
  readonly passes: ReadonlyArray<Pass>
  readonly refused: ReadonlyArray<RefusedResource>
  /** Warnings about identities that resources share, as far as they are found. */
  readonly shared: ReadonlyArray<{ readonly resource: WaldurResource; readonly warning: Warning }>
  /** To be called after the last pass. */
  readonly end: () => HierarchyEnd
}

/**
 * Builds the tree tenant, customer, project of every storage system from all resources of Waldur.
 *
 * A record that cannot be served is skipped with its reason and costs no other its place; the tenant and customer above
 * it stay, as far as it names them well. The result depends on the content of the input alone, never on its order, and
 * nothing makes it throw.
 */
export const buildHierarchy = (input: HierarchyInput): Hierarchy => {
  const entries: Array<PlacedEntry> = []
  const { passes, end } = hierarchyPasses(input, (part) => entries.push(...part.entries))
  for (const pass of passes) pass(inOneGo)
  const { skipped, warnings } = end()
  return { entries, skipped, warnings }
}

/** Goes through a pass without a pause. */
export const inOneGo = <A>(items: Iterable<A>, visit: (item: A) => void): void => {
  for (const item of items) visit(item)
}

/**
 * What makes the tree, as passes over many items of which each costs little: place, group, find out what lives where,
 * build each customer.
 *
 * @param take takes the parts of the tree in their order: a tenant alone, then its customers. Where the resources of a
 *   customer are cut depends on that customer alone
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

/** The resources of some tenants in the order of the list. */
const membersOf = (tenants: Iterable<TenantGroup>): Iterable<PlacedResource> =>
  below(tenants, ({ customers }) => below(customers, ({ members }) => members))
