/**
 * Builds the tree of all storage systems. `HierarchyBuilder` keeps it up to date while resources come, change and go, at the
 * cost of what they touch; `buildHierarchy` builds it once.
 */
import { gidOf } from "../entry/entry-identity.ts"
import { getOrMake } from "../get-or-make.ts"
import type { Skipped, Warning } from "../report/finding.ts"
import { isGid } from "../rules/gid.ts"
import { isRemoval } from "../rules/lifecycle.ts"
import { anyName, type PathRule, pathRule } from "../rules/mount-path.ts"
import { isRefusal, type Refusal } from "../rules/ruling.ts"
import type { ModelSettings } from "../settings.ts"
import { property } from "../waldur/json-object.ts"
import type { DecodedResources, WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { type CustomerSlice, identityOf, type PlacedEntry } from "./customer-tree.ts"
import { type CustomerList, customerIndex } from "./customers.ts"
import { type Directory, DirectoryTree } from "./directory-tree.ts"
import { findingList, findingOf } from "./findings.ts"
import { type CustomerGroup, GroupedResources, type TenantGroup } from "./group.ts"
import { ClaimedDirectories, claimsOfProtected, type Occupancy, type ProtectedPath } from "./occupancy.ts"
import { flatMapLazily } from "./order.ts"
import { type BuiltPart, builtPart, slicesOf, type TreePart } from "./parts.ts"
import { type Pass, pass, runAtOnce } from "./pass.ts"
import { type PlacedResource, resourcePlacer } from "./place.ts"
import { factsOfPlaced, factsOfUnplaced, type RecordFacts } from "./record-facts.ts"
import {
  addRecord,
  clearResults,
  isContested,
  type MalformedRecord,
  noRecords,
  type RefusedResource,
  type ResourceRecords,
} from "./records.ts"
import type { ProjectGid } from "./resource-entry.ts"
import { type Holder, holder, type SharedIdentity, sharedGids, sharedProjectSlugs } from "./shared-identity.ts"
import { recordMayBeLive } from "./whereabouts.ts"

/** What stays the same while a tree is kept up to date. */
export interface HierarchyFrame {
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

/** What resources are looked up in. */
export interface HierarchyLookups {
  /** Each offering's own list of customers, by the offering's dashed UUID; no key if the list could not be read. */
  readonly customers: ReadonlyMap<string, CustomerList>
  /** By project slug; `projectsWithoutItem` returns the slugs that are needed. */
  readonly gids: ReadonlyMap<string, ProjectGid>
}

/** The inputs of a tree that is built once. */
export interface HierarchyInput extends HierarchyFrame, HierarchyLookups {
  readonly decoded: DecodedResources
}

/** What changes in a tree. A changed resource is removed and added. */
export interface HierarchyChange extends HierarchyLookups {
  /** Objects that were added earlier, not copies. */
  readonly removed: DecodedResources
  readonly added: DecodedResources
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

/** An update in progress. */
export interface HierarchyUpdate {
  /** To be run in this order. */
  readonly passes: ReadonlyArray<Pass>
  /** Call it after the last pass. */
  readonly end: () => HierarchyEnd
  /** The added resources that have no place in the tree; complete after the last pass. */
  readonly refused: ReadonlyArray<RefusedResource>
  /** The new warnings about identities that several resources share; complete after the last pass. */
  readonly shared: ReadonlyArray<SharedWarning>
}

interface SharedWarning {
  readonly resource: WaldurResource
  readonly warning: Warning
}

/** No resources. */
export const noResources: DecodedResources = { resources: [], skipped: [], malformed: [] }

/**
 * Builds the tree (tenant, customer, project) of every storage system from all Waldur resources.
 *
 * A record that cannot be served is skipped with a reason and does not affect other records; the tenant and customer
 * above it stay if it identifies them correctly. The result depends on the content of the input, not on its order. Never
 * throws.
 */
export const buildHierarchy = ({ decoded, customers, gids, ...frame }: HierarchyInput): Hierarchy => {
  const entries: Array<PlacedEntry> = []
  const change = { removed: noResources, added: decoded, customers, gids }
  const { passes, end } = new HierarchyBuilder(frame).update(change, (part) => entries.push(...part.entries))
  runAtOnce(passes)
  const { skipped, warnings } = end()
  return { entries, skipped, warnings }
}

/** What depends on a directory: the removal of a resource, or the choice of a parent's directory. */
interface Watch {
  readonly path: string
  readonly removal?: ResourceRecords
  readonly parent?: TenantGroup | CustomerGroup
}

/** What a part contributes besides its entries. */
interface Contribution {
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
  readonly gids: ReadonlyArray<Holder>
  /** The directories that the tenant or customer depends on. */
  readonly watches: ReadonlyArray<Watch>
}

/**
 * A tree that is kept up to date.
 *
 * A customer's entries depend on its own resources and on what is known about their directories, projects and lists of
 * customers. An update finds the parts that a change touches in one of these ways, and builds only those. The result is that
 * of a tree which is built once.
 */
export class HierarchyBuilder {
  readonly #settings: ModelSettings
  readonly #rule: PathRule
  readonly #place: (resource: WaldurResource) => PlacedResource | Refusal
  readonly #byUuid = new Map<string, ResourceRecords>()
  /** Malformed records without a UUID. */
  readonly #nameless = new Map<Skipped, ResourceRecords>()
  readonly #customers = customerIndex()
  readonly #groups: GroupedResources
  readonly #occupancy = new ClaimedDirectories()
  readonly #watches = new DirectoryTree<Watch>(() => true)
  readonly #gids = sharedGids()
  readonly #slugs = sharedProjectSlugs()
  readonly #skipped = findingList<Skipped>()
  readonly #warnings = findingList<Warning>()
  readonly #slices = new Map<CustomerGroup, ReadonlyArray<CustomerSlice>>()
  readonly #contributions = new Map<TreePart, Contribution>()
  /** What the entries below a group contain of it, as of their last build. */
  readonly #identities = new Map<TenantGroup | CustomerGroup, string>()
  /** The holders of looked-up GIDs, by project slug. */
  readonly #gidHolders = new Map<string, Holder>()
  #lookups: HierarchyLookups = { customers: new Map(), gids: new Map() }
  #isEmpty = true

  // Of the current update.
  readonly #unsettled = new Set<ResourceRecords>()
  readonly #touched = new Set<ResourceRecords>()
  readonly #touchedGroups = new Set<TenantGroup | CustomerGroup>()
  readonly #touchedMembers = new Map<CustomerGroup, Set<PlacedResource>>()
  readonly #changedProjects = new Set<string>()
  /** Paths with a changed claim; `/` if all directories may be concerned. */
  readonly #touchedPaths = new Set<string>()

  constructor({ settings, offerings, protectedPaths = [] }: HierarchyFrame) {
    this.#settings = settings
    this.#rule = pathRule(settings.mountRoots)
    this.#place = resourcePlacer(settings, offerings, this.#rule)
    this.#groups = new GroupedResources(settings, this.#customers)
    for (const claim of protectedPaths.flatMap(claimsOfProtected)) this.#occupancy.add(claim)
  }

  /** All parts in list order: what `take` received last for each of them makes up the tree. */
  parts(): Iterable<TreePart> {
    return this.#partsOf(
      (tenant) => [tenant],
      (customer) => this.#slices.get(customer) ?? [],
    )
  }

  /**
   * Changes the tree. One update must end before the next begins; after one that did not end, the builder is unusable.
   *
   * @param take receives the parts with a change, in list order
   */
  update(change: HierarchyChange, take: (part: BuiltPart) => void): HierarchyUpdate {
    const refused: Array<RefusedResource> = []
    const shared: Array<SharedWarning> = []
    const passes = [
      ...this.#taking(change),
      ...this.#settling(refused),
      pass(
        () => this.#customersToRename(),
        (customer) => this.#rename(customer),
      ),
      pass(
        () => this.#recordsToLookUp(),
        (records) => this.#touchProject(records),
      ),
      ...this.#groups.passes,
      pass(
        () => this.#groups.changed,
        (customer) => this.#retireIfGone(customer),
      ),
      pass(
        () => this.#touched,
        (records) => this.#touchMember(records),
      ),
      pass(
        () => this.#partsToBuild(),
        (part) => take(this.#build(part)),
      ),
      pass(
        () => this.#slugs.affected,
        (one) => this.#warnOfSharing(this.#slugs, one, shared),
      ),
      pass(
        () => this.#gids.affected,
        (one) => this.#warnOfSharing(this.#gids, one, shared),
      ),
      ...this.#skipped.passes,
      ...this.#warnings.passes,
    ]
    return { passes, refused, shared, end: () => this.#end() }
  }

  /** Takes the records, lists and GIDs of a change. */
  #taking({ added, removed, gids, customers }: HierarchyChange): ReadonlyArray<Pass> {
    const before = this.#lookups.gids
    this.#lookups = { gids, customers }
    this.#customers.update(customers)
    return [
      pass(
        () => malformedIn(removed),
        (one) => this.#removeMalformed(one),
      ),
      pass(
        () => removed.resources,
        (resource) => this.#removeResource(resource),
      ),
      pass(
        () => malformedIn(added),
        (one) => this.#addMalformed(one),
      ),
      pass(
        () => added.resources,
        (resource) => this.#addResource(resource),
      ),
      ...this.#customers.passes,
      pass(
        () => (gids === before ? new Map<string, ProjectGid>() : gids),
        ([project, gid]) => this.#takeGid(project, before.get(project), gid),
      ),
      pass(
        () => (gids === before ? [] : before.keys()),
        (project) => (gids.has(project) ? undefined : this.#takeGid(project, before.get(project), undefined)),
      ),
    ]
  }

  #end(): HierarchyEnd {
    this.#isEmpty = false
    for (const set of [this.#unsettled, this.#touched, this.#touchedGroups, this.#touchedMembers]) set.clear()
    for (const set of [this.#changedProjects, this.#touchedPaths]) set.clear()
    for (const index of [this.#customers, this.#groups, this.#slugs, this.#gids]) index.settle()
    return {
      skipped: this.#skipped.settled(),
      warnings: this.#warnings.settled(),
      protects: (path) => this.#occupancy.against(path),
    }
  }

  #addResource(resource: WaldurResource): void {
    const known = this.#byUuid.get(resource.uuid)
    known?.resources.push(resource)
    const records = known ?? noRecords(resource.uuid, [resource])
    if (known === undefined) this.#byUuid.set(resource.uuid, records)
    this.#unsettled.add(records)
  }

  #removeResource(resource: WaldurResource): void {
    const records = this.#byUuid.get(resource.uuid)
    const at = records?.resources.indexOf(resource) ?? -1
    if (records === undefined || at < 0) return
    records.resources.splice(at, 1)
    this.#unsettled.add(records)
  }

  #addMalformed(one: MalformedRecord): void {
    const uuid = dashedUuid(property(one.record, "uuid"))
    const records = uuid === undefined ? noRecords(undefined) : getOrMake(this.#byUuid, uuid, () => noRecords(uuid))
    if (uuid === undefined) this.#nameless.set(one.skipped, records)
    records.malformed.push(one)
    this.#unsettled.add(records)
  }

  #removeMalformed({ record, skipped }: MalformedRecord): void {
    const uuid = dashedUuid(property(record, "uuid"))
    const records = uuid === undefined ? this.#nameless.get(skipped) : this.#byUuid.get(uuid)
    const at = records?.malformed.findIndex((one) => one.skipped === skipped) ?? -1
    if (records === undefined || at < 0) return
    this.#nameless.delete(skipped)
    records.malformed.splice(at, 1)
    this.#unsettled.add(records)
  }

  /** Replaces what the changed records amounted to before by what they amount to now; one record at a time. */
  #settling(refused: Array<RefusedResource>): ReadonlyArray<Pass> {
    let current = noRecords(undefined)
    const inEach = <A>(itemsOf: (records: ResourceRecords) => ReadonlyArray<A>, visit: (item: A) => void) => {
      const itemsIn = (records: ResourceRecords): ReadonlyArray<A | undefined> => {
        current = records
        const items = itemsOf(records)
        // Never empty, so that the loop can yield between records of which none has any.
        return items.length === 0 ? [undefined] : items
      }
      return pass(
        () => flatMapLazily(this.#unsettled, itemsIn),
        (item) => {
          if (item !== undefined) visit(item)
        },
      )
    }
    const each = (visit: (records: ResourceRecords) => void) => pass(() => this.#unsettled, visit)
    return [
      inEach(
        ({ facts }) => facts,
        (facts) => this.#withdraw(facts),
      ),
      each((records) => this.#unplace(records)),
      inEach(
        ({ malformed }) => malformed,
        ({ record }) => {
          if (recordMayBeLive(record)) current.isMalformedLive = true
        },
      ),
      inEach(
        ({ resources }) => resources,
        (resource) => addRecord(current, resource),
      ),
      each((records) => this.#placeBest(records)),
      inEach(
        ({ malformed }) => malformed,
        ({ record, skipped }) => this.#addUnplaced(current, record, skipped),
      ),
      inEach(
        ({ refused }) => refused,
        (one) => {
          refused.push(one)
          this.#addUnplaced(current, one.resource, findingOf(one.resource, one.refusal))
        },
      ),
    ]
  }

  #unplace(records: ResourceRecords): void {
    const { uuid, placed, customer, removal, resources, malformed } = records
    if (placed !== undefined && customer !== undefined) this.#groups.remove(placed, customer)
    if (removal !== undefined) this.#watches.remove(removal.path, removal)
    if (uuid !== undefined && resources.length + malformed.length === 0) this.#byUuid.delete(uuid)
    clearResults(records)
  }

  #placeBest(records: ResourceRecords): void {
    const { best } = records
    if (best === undefined) return
    const { resource } = best
    const placed = this.#place(resource)
    if (isRefusal(placed)) {
      records.refused.push({ resource, refusal: placed })
      return
    }
    records.placed = placed
    records.customer = this.#groups.add(placed)
    this.#addFacts(records, factsOfPlaced(placed, isContested(records), this.#rule))
    if (!isRemoval(placed.state.value) || isRefusal(placed.path)) return
    records.removal = { path: placed.path.value, removal: records }
    this.#watches.add(placed.path.value, records.removal)
  }

  #addUnplaced(records: ResourceRecords, record: unknown, skipped: Skipped): void {
    this.#addFacts(records, factsOfUnplaced(record, skipped, isContested(records), this.#rule))
  }

  #addFacts(records: ResourceRecords, facts: RecordFacts): void {
    if (records.facts.length === 0) records.facts = [facts]
    else records.facts.push(facts)
    for (const claim of facts.claims) {
      this.#occupancy.add(claim)
      this.#touch(claim.path)
    }
    if (facts.slug !== undefined) this.#slugs.add(facts.slug)
    if (facts.skipped !== undefined) this.#skipped.add(facts.skipped)
    for (const one of facts.warnings) this.#warnings.add(one)
  }

  #withdraw({ claims, slug, skipped, warnings }: RecordFacts): void {
    for (const claim of claims) {
      this.#touch(claim.path)
      this.#occupancy.remove(claim)
    }
    if (slug !== undefined) this.#release(this.#slugs, slug)
    if (skipped !== undefined) this.#skipped.remove(skipped)
    for (const one of warnings) this.#warnings.remove(one)
  }

  /** Finds what depends on the claims on a directory. */
  #touch(path: string): void {
    // The first update builds everything. Later, once per path: what claims it after that is new, so it is built anyway.
    if (this.#isEmpty || this.#touchedPaths.has(path)) return
    this.#touchedPaths.add(path)
    for (const { claimant } of this.#occupancy.claimsAt(path)) {
      const records = this.#byUuid.get(claimant)
      if (records !== undefined) this.#touched.add(records)
    }
    const touchAll = ({ items }: Directory<Watch>) => {
      for (const { removal, parent } of items) {
        if (removal !== undefined) this.#touched.add(removal)
        if (parent !== undefined) this.#touchedGroups.add(parent)
      }
    }
    const touchRemovals = ({ items }: Directory<Watch>) => {
      for (const { removal } of items) if (removal !== undefined) this.#touched.add(removal)
    }
    if (this.#touchedPaths.has("/")) return
    if (!path.split("/").includes(anyName)) {
      this.#watches.below(path, touchAll)
      this.#watches.firstAbove(path, touchRemovals)
      return
    }
    // A path with an unknown name may concern any directory.
    this.#touchedPaths.add("/")
    this.#watches.below("/", touchAll)
  }

  /** @param after `undefined` if the GID is no longer needed */
  #takeGid(project: string, before: ProjectGid | undefined, after: ProjectGid | undefined): void {
    if (before === after || (before !== undefined && after !== undefined && isSameGid(before, after))) return
    const known = this.#gidHolders.get(project)
    if (known !== undefined) this.#release(this.#gids, known)
    this.#gidHolders.delete(project)
    if (!this.#isEmpty) this.#changedProjects.add(project)
    if (after?.status !== "known" || !isGid(after.gid, this.#settings)) return
    const made = holder(String(after.gid), project)
    this.#gidHolders.set(project, made)
    this.#gids.add(made)
  }

  #recordsToLookUp(): Iterable<ResourceRecords> {
    return this.#changedProjects.size === 0 ? [] : this.#byUuid.values()
  }

  #touchProject(records: ResourceRecords): void {
    const slug = records.placed?.resource.project_slug
    if (slug !== undefined && this.#changedProjects.has(slug)) this.#touched.add(records)
  }

  #customersToRename(): Iterable<CustomerGroup> {
    if (this.#isEmpty || !this.#customers.hasChanged()) return []
    return flatMapLazily(this.#groups.tenants(), ({ customers }) => customers)
  }

  #rename(customer: CustomerGroup): void {
    if (customer.all.size > 0 && this.#customers.affects(customer.members.map(({ resource }) => resource)))
      this.#groups.change(customer)
  }

  #touchMember({ placed, customer }: ResourceRecords): void {
    if (placed === undefined || customer === undefined) return
    const members = this.#touchedMembers.get(customer)
    if (members === undefined) this.#touchedMembers.set(customer, new Set([placed]))
    else members.add(placed)
  }

  #retireIfGone(customer: CustomerGroup): void {
    if (customer.all.size > 0) return
    const { tenant } = customer
    for (const slice of this.#slices.get(customer) ?? []) this.#retire(slice)
    this.#slices.delete(customer)
    this.#identities.delete(customer)
    if (tenant.bySlug.size > 0) return
    this.#retire(tenant)
    this.#identities.delete(tenant)
  }

  #partsToBuild(): Iterable<TreePart> {
    return this.#partsOf(
      (tenant) => this.#tenantToBuild(tenant),
      (customer) => this.#slicesToBuild(customer),
    )
  }

  /** Some parts of each tenant and customer, in list order; a tenant is asked before its customers. */
  #partsOf(
    ofTenant: (tenant: TenantGroup) => ReadonlyArray<TreePart>,
    ofCustomer: (customer: CustomerGroup) => ReadonlyArray<TreePart>,
  ): Iterable<TreePart> {
    return flatMapLazily(this.#groups.tenants(), (tenant) =>
      flatMapLazily<TenantGroup | CustomerGroup, TreePart>([tenant, ...tenant.customers], (group) =>
        "customers" in group ? ofTenant(group) : ofCustomer(group),
      ),
    )
  }

  #tenantToBuild(tenant: TenantGroup): ReadonlyArray<TreePart> {
    if (!this.#groups.isChanged(tenant) && !this.#touchedGroups.has(tenant)) return []
    const identity = tenant.first.resource.offering_uuid
    // It is in the entry of each of its customers.
    if (this.#identities.get(tenant) !== identity) for (const one of tenant.customers) this.#touchedGroups.add(one)
    this.#identities.set(tenant, identity)
    return [tenant]
  }

  #slicesToBuild(customer: CustomerGroup): ReadonlyArray<TreePart> {
    const isChanged = this.#groups.isChanged(customer)
    const touched = this.#touchedMembers.get(customer)
    if (!isChanged && touched === undefined && !this.#touchedGroups.has(customer)) return []
    const before = this.#slices.get(customer) ?? []
    const slices = isChanged ? slicesOf(customer, before) : before
    if (isChanged) {
      const kept = new Set(slices)
      for (const slice of before) if (!kept.has(slice)) this.#retire(slice)
    }
    const identity = identityOf(customer, this.#customers)
    const isRenamed = this.#identities.get(customer) !== identity
    this.#slices.set(customer, slices)
    this.#identities.set(customer, identity)
    return slices.filter(
      (slice, number) =>
        number === 0 ||
        isRenamed ||
        !this.#contributions.has(slice) ||
        (touched !== undefined && slice.members.some((member) => touched.has(member))),
    )
  }

  #build(part: TreePart): BuiltPart {
    this.#retire(part)
    const asked: Array<string> = []
    const occupancy: Occupancy = {
      othersAt: (path, self) => this.#occupancy.othersAt(path, self),
      against: (path) => this.#occupancy.against(path),
      around: (path) => this.#occupancy.around(path),
      ownerOf: (path) => {
        asked.push(path)
        return this.#occupancy.ownerOf(path)
      },
    }
    const built = builtPart(part, {
      settings: this.#settings,
      gids: this.#lookups.gids,
      occupancy,
      rule: this.#rule,
      customers: this.#customers,
    })
    const parent = built.customer ?? built.tenant
    const contribution = contributionOf(
      built,
      asked.map((path) => ({ path, parent })),
    )
    this.#contributions.set(part, contribution)
    for (const one of contribution.skipped) this.#skipped.add(one)
    for (const one of contribution.warnings) this.#warnings.add(one)
    for (const one of contribution.gids) this.#gids.add(one)
    for (const one of contribution.watches) this.#watches.add(one.path, one)
    return built
  }

  #retire(part: TreePart): void {
    const contribution = this.#contributions.get(part)
    if (contribution === undefined) return
    this.#contributions.delete(part)
    for (const one of contribution.skipped) this.#skipped.remove(one)
    for (const one of contribution.warnings) this.#warnings.remove(one)
    for (const one of contribution.gids) this.#release(this.#gids, one)
    for (const one of contribution.watches) this.#watches.remove(one.path, one)
  }

  #release(identities: SharedIdentity, one: Holder): void {
    identities.remove(one)
    if (one.warning !== undefined) this.#warnings.remove(one.warning)
  }

  #warnOfSharing(identities: SharedIdentity, one: Holder, shared: Array<SharedWarning>): void {
    const { resource } = one
    const remark = identities.remarkOn(one)
    if (one.warning !== undefined) this.#warnings.remove(one.warning)
    one.warning = resource && remark && findingOf(resource, remark)
    if (resource === undefined || one.warning === undefined) return
    this.#warnings.add(one.warning)
    shared.push({ resource, warning: one.warning })
  }
}

const malformedIn = ({ malformed, skipped }: DecodedResources): Iterable<MalformedRecord> =>
  flatMapLazily(skipped.entries(), ([at, one]) => [{ record: malformed[at], skipped: one }])

const isSameGid = (a: ProjectGid, b: ProjectGid): boolean => {
  if (a.status === "known") return b.status === "known" && a.gid === b.gid && a.from === b.from
  return b.status === a.status && a.reason === b.reason
}

/** @param watches of the tenant or customer that is part of it */
const contributionOf = (built: BuiltPart, watches: ReadonlyArray<Watch>): Contribution => {
  const { tenant, customer, parent, members, outcomes } = built
  const skipped: Array<Skipped> = []
  const warnings: Array<Warning> = []
  const gids: Array<Holder> = []
  const { resource: first } = (customer ?? tenant).first
  for (const remark of parent?.remarks ?? []) warnings.push(findingOf(first, remark))
  for (const [at, { resource }] of members.entries()) {
    const outcome = outcomes[at]
    if (outcome === undefined) continue
    for (const remark of outcome.remarks) warnings.push(findingOf(resource, remark))
    if (outcome.refusal !== undefined) skipped.push(findingOf(resource, outcome.refusal))
    const entry = outcome.placed?.entry
    if (entry !== undefined) gids.push(holder(String(gidOf(entry)), resource.project_slug, resource))
  }
  return { skipped, warnings, gids, watches }
}
