import { Result } from "effect"
import type { StorageEntry } from "../entry/storage-entry.ts"
import { type StorageNames, storageNames } from "../entry/storage-names.ts"
import { type Problem, problem, type SkipCode, type Skipped, type Warn, type Warning } from "../report/finding.ts"
import type { Note } from "../report/note.ts"
import { isRemoval, mayBeLive, providerView, stateOf } from "../rules/lifecycle.ts"
import { invalidComponent, pathRule } from "../rules/mount-path.ts"
import { defaultPermissions } from "../rules/permissions.ts"
import { ofOneRecord } from "../rules/refusal.ts"
import type { ModelSettings } from "../settings.ts"
import { jsonText, property } from "../waldur/json-object.ts"
import type { DecodedResources, WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { compare } from "./code-unit-order.ts"
import { type CustomerList, customerDirectory } from "./customers.ts"
import { getOrMake } from "./get-or-make.ts"
import { type CustomerGroup, type Group, groupsOf, membersOf, type TenantGroup } from "./group.ts"
import { livePathsOf, type ProtectedPath, recordMayBeLive } from "./occupancy.ts"
import { type ParentDirectory, parentDirectories } from "./parent-directory.ts"
import { type Located, locator } from "./place.ts"
import { type GidAnswer, resourceEntry } from "./resource-entry.ts"
import { sharedGids, sharedProjectSlugs } from "./shared-identity.ts"
import { eachInSteps, findInSteps, type Steps, sortInSteps, stepSize } from "./steps.ts"

/** All that the tree is made of. */
export interface HierarchyInput {
  readonly decoded: DecodedResources
  /** Each offering's own list of customers, by the offering's dashed UUID; `refused`, or without a key where it could not be read. */
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

/** An entry and what filters ask of it. */
export interface PlacedEntry {
  readonly entry: StorageEntry
  readonly offeringSlug: string
  /** The Waldur states of the resource, or of all resources below a tenant or customer, those left out included. */
  readonly states: ReadonlySet<string>
}

/** The tree as a list, a parent right before what is below it; and what was left out or is odd. */
export interface Hierarchy {
  readonly entries: ReadonlyArray<PlacedEntry>
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
}

/** What is known when the last entry is made. */
export interface HierarchyEnd extends Omit<Hierarchy, "entries"> {
  /** Why a directory must not be removed, by what rows, whatever they are, and protected paths say; `undefined` if it may be. */
  readonly protects: (path: string) => string | undefined
}

/** Takes all that comes of one resource, tenant or customer while the tree is built. */
export interface Hearing {
  readonly note: Note
  readonly warned: (warning: Warning) => void
  readonly skipped: (skipped: Skipped) => void
  readonly made: (entry: StorageEntry) => void
}

/** Somebody who asks why: of whom he wants to hear he is told as it is decided; of all others he gives `undefined`. */
export interface Listener {
  readonly resource: (resource: WaldurResource) => Hearing | undefined
  readonly tenant: (tenant: TenantGroup) => Hearing | undefined
  readonly customer: (customer: CustomerGroup, tenant: TenantGroup) => Hearing | undefined
}

/**
 * Builds the tree tenant, customer, project of every storage system from all resources of Waldur.
 *
 * A record that cannot be served is left out with its reason and costs no other its place; the tenant and customer above
 * it stay, as far as it names them well. The result depends on the content of the input alone, never on its order, and
 * nothing makes it throw.
 */
export const buildHierarchy = (input: HierarchyInput): Hierarchy => {
  const entries: Array<PlacedEntry> = []
  const steps = hierarchySteps(input)
  for (;;) {
    const step = steps.next()
    if (step.done) return { entries, skipped: step.value.skipped, warnings: step.value.warnings }
    entries.push(...step.value)
  }
}

/**
 * `buildHierarchy` in steps of a few milliseconds at most, for a thread that has other things to do between them.
 * Yields the entries in their order: at most 256 at a time, never of two customers in one step; many steps yield none.
 * A tenant's own entry comes alone. Where a customer's entries are cut depends on that customer's resources alone.
 *
 * @param listener who hears why; the tree is the same with and without
 * @returns what was left out or is odd, and what protects from removals
 */
export function* hierarchySteps(
  { decoded, customers, gids, settings, offerings, protectedPaths = [] }: HierarchyInput,
  listener?: Listener,
): Generator<ReadonlyArray<PlacedEntry>, HierarchyEnd> {
  const skipped: Array<Skipped> = [...decoded.skipped]
  const warnings: Array<Warning> = []
  const skip = (resource: WaldurResource, code: SkipCode, found: Problem) => {
    const finding = { code, ...identityOf(resource), ...found }
    skipped.push(finding)
    listener?.resource(resource)?.skipped(finding)
  }
  const warnOf =
    (resource: WaldurResource): Warn =>
    (code, found) => {
      const finding = { code, ...identityOf(resource), ...found }
      warnings.push(finding)
      listener?.resource(resource)?.warned(finding)
    }

  const rule = pathRule(settings.mountRoots)
  const locate = locator(settings, offerings, rule)
  const warnAbove = (heard: Hearing | undefined, { first }: Group): Warn => {
    const warn = warnOf(first.resource)
    return (code, found) => {
      warn(code, found)
      heard?.warned({ code, ...identityOf(first.resource), ...found })
    }
  }

  const located: Array<Located> = []
  const unlocated = [...decoded.malformed]
  const drop = (resource: WaldurResource, code: SkipCode, found: Problem) => {
    skip(resource, code, found)
    unlocated.push(resource)
  }
  const { malformed, contested } = yield* contestedAmong(decoded.malformed)
  yield* eachInSteps(yield* distinct(decoded.resources, drop, contested), (resource) => {
    if (malformed.has(resource.uuid) && livelinessOf(resource) > 0) contested.add(resource.uuid)
    const place = locate(resource, warnOf(resource), listener?.resource(resource)?.note)
    if (Result.isSuccess(place)) located.push(place.success)
    else drop(resource, place.failure.code, place.failure.problem)
  })

  const tenants = yield* groupsOf(located)
  const live = yield* livePathsOf(membersOf(tenants), unlocated, contested, protectedPaths, rule)
  const directoryOf = parentDirectories(live, rule)
  const customerOf = yield* customerDirectory(customers)
  const statesOf = loneStates()
  const shared = sharedGids()

  for (const tenant of tenants) {
    const { resource, tenantPath } = tenant.first
    const key = resource.provider_slug
    const named = yield* findInSteps(membersOf([tenant]), (member) => Boolean(member.resource.provider_name))
    const name = named?.resource.provider_name ?? key.toUpperCase()
    const tenantItem = { itemId: resource.offering_uuid, key, name }
    const names = storageNames(tenant.first, settings)
    const hearing = listener?.tenant(tenant)
    if (hearing !== undefined) {
      const isNamed = named !== undefined
      hearing.note(
        "tenant",
        name,
        isNamed ? "provider_name" : "provider_slug",
        isNamed ? firstNamed : "none has a name",
      )
    }
    yield parentEntry(
      tenant,
      {
        targetType: "tenant",
        targetItem: tenantItem,
        directory: directoryOf(tenant, "tenant", tenantPath, warnAbove(hearing, tenant)),
        names,
        parentItemId: null,
      },
      hearing,
    )

    for (const group of tenant.customers) {
      const slug = group.first.resource.customer_slug
      const invalidSlug = invalidComponent("customer_slug", slug)
      const customer = invalidSlug === undefined ? yield* customerOf(group) : Result.fail(invalidSlug)
      const heard = listener?.customer(group, tenant)
      if (Result.isFailure(customer)) {
        heard?.skipped({ code: "bad-data", ...identityOf(group.first.resource), ...customer.failure })
        yield* eachInSteps(group.members, (member) => skip(member.resource, "bad-data", customer.failure))
        continue
      }
      const { itemId, name, from, reason, warning } = customer.success
      heard?.note("customer", name, from, reason)
      const warn = warnAbove(heard, group)
      if (warning !== undefined) warn(warning.code, warning.problem)
      let step = parentEntry(
        group,
        {
          targetType: "customer",
          targetItem: { itemId, key: slug, name },
          directory: directoryOf(group, "customer", `${tenantPath}/${slug}`, warn),
          names,
          parentItemId: tenantItem.itemId,
        },
        heard,
      )
      for (const [at, member] of group.members.entries()) {
        // The customer's own entry is one of the first step's.
        if ((at + 1) % stepSize === 0) {
          yield step
          step = []
        }
        const { resource } = member
        const listening = listener?.resource(resource)
        const note = listening?.note
        const about = { live, gids, settings, names, parentItemId: itemId, warn: warnOf(resource), note }
        const made = ofOneRecord(() => resourceEntry(member, about))
        if (Result.isFailure(made)) skip(resource, made.failure.code, made.failure.problem)
        else {
          listening?.made(made.success)
          shared.add(resource, made.success)
          step.push({
            offeringSlug: resource.offering_slug,
            states: statesOf(stateOf(resource.state)),
            entry: made.success,
          })
        }
      }
      yield step
    }
  }
  yield* shared.warnings(gids, settings, warnOf)
  yield* sharedProjectSlugs(located, unlocated, warnOf)
  return {
    skipped: yield* sortInSteps(skipped, byIdentity),
    warnings: yield* sortInSteps(warnings, byIdentity),
    protects: live.against,
  }
}

const firstNamed = "of the first resource that names its provider"

/** The entry of a tenant or customer; none if it has no directory that may be served. */
const parentEntry = (
  group: Group,
  about: {
    readonly targetType: "tenant" | "customer"
    readonly targetItem: { readonly itemId: string; readonly key: string; readonly name: string }
    readonly directory: ParentDirectory
    readonly names: StorageNames
    readonly parentItemId: string | null
  },
  hearing: Hearing | undefined,
): Array<PlacedEntry> => {
  const { path, from, reason } = about.directory
  hearing?.note("path", path ?? null, from, reason)
  if (path === undefined) return []
  const entry: StorageEntry = {
    itemId: about.targetItem.itemId,
    status: "pending",
    mountPoint: { default: path },
    permission: { permissionType: "octal", value: defaultPermissions },
    quotas: null,
    target: { targetType: about.targetType, targetItem: about.targetItem },
    ...about.names,
    parentItemId: about.parentItemId,
  }
  if (hearing !== undefined) {
    hearing.note("permission", defaultPermissions, "fixed", "a parent's directory always has these")
    hearing.note("status", "pending", "fixed", "a parent is always pending")
    hearing.made(entry)
  }
  return [{ offeringSlug: group.first.resource.offering_slug, states: group.states, entry }]
}

/** The states of single resources: one set for all that are in the same state, since there are few of them. */
const loneStates = () => {
  const known = new Map<string, ReadonlySet<string>>()
  return (state: string): ReadonlySet<string> => getOrMake(known, state, () => new Set([state]))
}

const identityOf = (resource: WaldurResource) => ({
  uuid: resource.uuid,
  slug: resource.slug,
  offering_slug: resource.offering_slug,
})

const byIdentity = (a: Skipped | Warning, b: Skipped | Warning): number =>
  compare(a.uuid ?? "", b.uuid ?? "") ||
  compare(a.slug ?? "", b.slug ?? "") ||
  compare(a.offering_slug ?? "", b.offering_slug ?? "") ||
  compare(a.field, b.field) ||
  compare(a.code, b.code) ||
  compare(jsonText(a.found), jsonText(b.found)) ||
  compare(a.reason, b.reason)

/** The UUIDs of the records that could not be decoded, and those of them that may be live. */
function* contestedAmong(
  records: ReadonlyArray<unknown>,
): Steps<{ readonly malformed: ReadonlySet<string>; readonly contested: Set<string> }> {
  const malformed = new Set<string>()
  const contested = new Set<string>()
  yield* eachInSteps(records, (record) => {
    const uuid = dashedUuid(property(record, "uuid"))
    if (uuid === undefined) return
    malformed.add(uuid)
    if (recordMayBeLive(record)) contested.add(uuid)
  })
  return { malformed, contested }
}

interface Candidate {
  readonly resource: WaldurResource
  /** Made when it is needed, and once: one large record may have any number of small ones beside it. */
  content: string | undefined
}

/**
 * One record for each uuid: of those that differ the live one, so that no order of rows makes a removal of it. Else the
 * choice depends on their content alone.
 *
 * @param contested gets the UUIDs of which a record that may be live is preferred
 */
function* distinct(
  resources: ReadonlyArray<WaldurResource>,
  drop: (resource: WaldurResource, code: SkipCode, found: Problem) => void,
  contested: Set<string>,
): Steps<Iterable<WaldurResource>> {
  // In many maps by the first two digits: one of all uuids would take ten milliseconds to grow.
  const byUuid = new Map<string, Map<string, Candidate>>()
  yield* eachInSteps(resources, (resource) => {
    const { uuid } = resource
    const kept = getOrMake(byUuid, uuid.slice(0, 2), () => new Map<string, Candidate>())
    const candidate: Candidate = { resource, content: undefined }
    const other = kept.get(uuid)
    if (other === undefined) {
      kept.set(uuid, candidate)
      return
    }
    const [better, dropped] = preference(other, candidate) <= 0 ? [other, candidate] : [candidate, other]
    kept.set(uuid, better)
    if (livelinessOf(better.resource) > 0) contested.add(uuid)
    drop(
      dropped.resource,
      "duplicate",
      problem("uuid", uuid, "Waldur sent this resource more than once; a live record goes before"),
    )
  })
  return keptIn(byUuid.values())
}

const preference = (a: Candidate, b: Candidate): number => {
  const byLiveliness = livelinessOf(b.resource) - livelinessOf(a.resource)
  if (byLiveliness !== 0) return byLiveliness
  a.content ??= contentOf(a.resource)
  b.content ??= contentOf(b.resource)
  return compare(a.content, b.content)
}

/** The more certain it is that a record's data stays, the higher. */
const livelinessOf = ({ state, order_in_progress: order }: WaldurResource): number => {
  const view = providerView(state, order)
  if (!view.visible) return 1
  return isRemoval(view.state) ? (mayBeLive(view.state, order) ? 2 : 0) : 3
}

// Field by field: one that is no JSON leaves the others to choose by.
const contentOf = (resource: WaldurResource): string =>
  Object.entries(resource)
    .toSorted(([a], [b]) => compare(a, b))
    .map(([field, value]) => `${field}: ${jsonText(value)}`)
    .join("\n")

function* keptIn(maps: Iterable<ReadonlyMap<string, Candidate>>): Generator<WaldurResource, void> {
  for (const map of maps) for (const { resource } of map.values()) yield resource
}
