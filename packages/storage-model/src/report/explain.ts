import type { StorageEntry } from "../entry/storage-entry.ts"
import { normalizedPath } from "../rules/mount-path.ts"
import { type CustomerGroup, membersOf, type TenantGroup } from "../tree/group.ts"
import { type Hearing, type HierarchyInput, hierarchySteps, type Listener } from "../tree/hierarchy.ts"
import { whereaboutsOf } from "../tree/occupancy.ts"
import type { Located } from "../tree/place.ts"
import { property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import type { Skipped, Warning } from "./finding.ts"
import { type NextStep, nextOfEntry, nextOfSkipped } from "./next-step.ts"
import type { Noted } from "./note.ts"

/** What is asked for: a UUID of a resource, customer or offering; a slug of one of them or of a project; a mount point. */
export type Ask = { readonly uuid: string } | { readonly slug: string } | { readonly path: string }

/** What somebody typed as an `Ask`: a path begins with a slash, a UUID is one with or without dashes, all else is a slug. */
export const askOf = (text: string): Ask => {
  const uuid = dashedUuid(text)
  const path = normalizedPath(text)
  if (path !== undefined) return { path }
  return uuid === undefined ? { slug: text } : { uuid }
}

/** A tenant or customer above a resource. */
export interface ExplainedParent {
  readonly kind: "tenant" | "customer"
  readonly itemId: string
  readonly name: string
  readonly mountPoint: string
}

/** A resource below a tenant or customer: served at a mount point, or left out. */
export interface ResourceBelow {
  readonly uuid: string
  readonly slug: string
  readonly mountPoint: string | null
  readonly status: string | null
  readonly skipped: Skipped["code"] | null
}

/** Where one entry comes from, or why there is none. */
export interface Explained {
  readonly kind: "tenant" | "customer" | "resource"
  /** The offering's, customer's or resource's, dashed; `null` where the record does not tell. */
  readonly uuid: string | null
  readonly slug: string | null
  readonly offeringSlug: string | null
  /** `null` where it is left out. */
  readonly entry: StorageEntry | null
  /** From the tenant down; empty for a tenant. */
  readonly parents: ReadonlyArray<ExplainedParent>
  /** The resources that make a tenant or customer, in the order of the list; empty for a resource. */
  readonly below: ReadonlyArray<ResourceBelow>
  /** What each rule decided, as it decided it. */
  readonly notes: ReadonlyArray<Noted>
  /** Why it is left out; `null` where it is served. */
  readonly skipped: Skipped | null
  readonly warnings: ReadonlyArray<Warning>
  /** What must happen for it to appear or to move on; `null` for a tenant or customer, which follow what is below. */
  readonly next: NextStep | null
}

/** All that an `Ask` finds. */
export interface Explanation {
  readonly ask: Ask
  /** In the order: tenants, customers, resources as the list has them, records that are left out. */
  readonly found: ReadonlyArray<Explained>
  /** How many there were to look at. */
  readonly lookedAt: {
    readonly resources: number
    /** Records too bad to be decoded, which were looked at as far as they tell. */
    readonly malformed: number
    readonly tenants: number
    readonly customers: number
  }
}

/** What one resource, tenant or customer came to. */
interface Account {
  readonly notes: Array<Noted>
  readonly warnings: Array<Warning>
  skipped: Skipped | undefined
  entry: StorageEntry | undefined
}

/** A tenant or customer, and what it came to. */
interface ParentAccount {
  readonly kind: "tenant" | "customer"
  readonly group: TenantGroup | CustomerGroup
  readonly members: ReadonlySet<WaldurResource>
  readonly account: Account
}

/**
 * Says where entries come from: by which rule each value, why a resource is left out, and what must happen next. It
 * builds the whole tree, as `buildHierarchy` does, and listens: no rule is written down a second time. A path that several
 * resources claim finds each of them. Pure, and never throws; the result can be written as JSON.
 *
 * @param input all resources, so that conflicts show, with their lookups
 */
export const explain = (input: HierarchyInput, ask: Ask): Explanation => {
  const { listener, parents, resources } = listening(ask)
  const steps = hierarchySteps(input, listener)
  while (!steps.next().done);

  const served = parents.filter(({ account }) => account.entry !== undefined)
  const explainedParents = parents.filter(({ kind, group, account }) => asksForParent(ask, kind, group, account.entry))
  const asked = [...resources].filter(([resource]) => asksForRecord(ask, resource))
  const position = new Map(parents.flatMap(({ members }) => [...members]).map((resource, index) => [resource, index]))
  const at = (resource: WaldurResource) => position.get(resource) ?? Number.POSITIVE_INFINITY
  asked.sort(([a], [b]) => Math.sign(at(a) - at(b)) || 0)

  return {
    ask,
    found: [
      ...explainedParents.map((parent) => explainedParent(parent, served, resources)),
      ...asked.map(([resource, account]) => explainedResource(resource, account, served)),
      ...input.decoded.skipped
        .filter((skipped, index) => asksForMalformed(ask, skipped, input.decoded.malformed[index]))
        .map(explainedMalformed),
    ],
    lookedAt: {
      resources: input.decoded.resources.length,
      malformed: input.decoded.skipped.length,
      tenants: parents.filter(({ kind }) => kind === "tenant").length,
      customers: parents.filter(({ kind }) => kind === "customer").length,
    },
  }
}

/** A listener that hears all tenants and customers, and the resources that are asked for or below what is asked for. */
const listening = (ask: Ask) => {
  const parents: Array<ParentAccount> = []
  const resources = new Map<WaldurResource, Account>()
  const wanted = new Set<WaldurResource>()

  const hearParent = (kind: "tenant" | "customer", group: TenantGroup | CustomerGroup, tenant: TenantGroup) => {
    const located = kind === "tenant" ? membersOf([tenant]) : (group as CustomerGroup).members
    const parent = { kind, group, members: resourcesIn(located), account: emptyAccount() }
    parents.push(parent)
    const hearing = hearingOf(parent.account)
    const hearBelow = (entry: StorageEntry | undefined) => {
      if (asksForParent(ask, kind, group, entry)) for (const one of parent.members) wanted.add(one)
    }
    return {
      ...hearing,
      made: (entry: StorageEntry) => {
        hearing.made(entry)
        hearBelow(entry)
      },
      skipped: (skipped: Skipped) => {
        hearing.skipped(skipped)
        hearBelow(undefined)
      },
    }
  }
  const listener: Listener = {
    tenant: (tenant) => hearParent("tenant", tenant, tenant),
    customer: (customer, tenant) => hearParent("customer", customer, tenant),
    resource: (resource) => {
      if (!wanted.has(resource) && !asksForRecord(ask, resource)) return undefined
      const known = resources.get(resource) ?? emptyAccount()
      resources.set(resource, known)
      return hearingOf(known)
    },
  }
  return { listener, parents, resources }
}

const resourcesIn = (located: Iterable<Located>) => new Set(Array.from(located, ({ resource }) => resource))

const emptyAccount = (): Account => ({ notes: [], warnings: [], skipped: undefined, entry: undefined })

const hearingOf = (account: Account): Hearing => ({
  note: (part, value, from, reason) => account.notes.push({ part, value, from, reason }),
  warned: (warning) => account.warnings.push(warning),
  skipped: (skipped) => {
    account.skipped = skipped
  },
  made: (entry) => {
    account.entry = entry
  },
})

/** Whether a record is asked for, as far as it tells what it is. */
const asksForRecord = (ask: Ask, record: unknown): boolean => {
  if ("uuid" in ask) return dashedUuid(property(record, "uuid")) === ask.uuid
  if ("slug" in ask) return property(record, "slug") === ask.slug || property(record, "project_slug") === ask.slug
  return whereaboutsOf(record).paths.includes(ask.path)
}

const asksForMalformed = (ask: Ask, { slug }: Skipped, record: unknown): boolean =>
  asksForRecord(ask, record) || ("slug" in ask && slug === ask.slug)

const asksForParent = (
  ask: Ask,
  kind: "tenant" | "customer",
  { first: { resource } }: TenantGroup | CustomerGroup,
  entry: StorageEntry | undefined,
): boolean => {
  if ("path" in ask) return entry?.mountPoint.default === ask.path
  const [uuid, slug] =
    kind === "tenant"
      ? [resource.offering_uuid, resource.provider_slug]
      : [resource.customer_uuid, resource.customer_slug]
  return "uuid" in ask ? (entry?.itemId ?? uuid) === ask.uuid : slug === ask.slug
}

const explainedParent = (
  { kind, group, members, account }: ParentAccount,
  served: ReadonlyArray<ParentAccount>,
  resources: ReadonlyMap<WaldurResource, Account>,
): Explained => {
  const { resource } = group.first
  return {
    kind,
    uuid: account.entry?.itemId ?? resource.customer_uuid ?? null,
    slug: kind === "tenant" ? resource.provider_slug : resource.customer_slug,
    offeringSlug: resource.offering_slug,
    entry: account.entry ?? null,
    parents: kind === "tenant" ? [] : parentsOf(resource, served).filter((parent) => parent.kind === "tenant"),
    below: Array.from(members, (member): ResourceBelow => {
      const one = resources.get(member)
      return {
        uuid: member.uuid,
        slug: member.slug,
        mountPoint: one?.entry?.mountPoint.default ?? null,
        status: one?.entry?.status ?? null,
        skipped: one?.skipped?.code ?? null,
      }
    }),
    notes: account.notes,
    skipped: account.skipped ?? null,
    warnings: account.warnings,
    next: account.skipped === undefined ? null : nextOfSkipped(account.skipped),
  }
}

const explainedResource = (
  resource: WaldurResource,
  { notes, warnings, skipped, entry }: Account,
  served: ReadonlyArray<ParentAccount>,
): Explained => ({
  kind: "resource",
  uuid: resource.uuid,
  slug: resource.slug,
  offeringSlug: resource.offering_slug,
  entry: entry ?? null,
  parents: parentsOf(resource, served),
  below: [],
  notes,
  skipped: skipped ?? null,
  warnings,
  next:
    entry !== undefined
      ? nextOfEntry(entry, resource.order_in_progress)
      : skipped === undefined
        ? null
        : nextOfSkipped(skipped),
})

const explainedMalformed = (skipped: Skipped): Explained => ({
  kind: "resource",
  uuid: skipped.uuid,
  slug: skipped.slug,
  offeringSlug: skipped.offering_slug,
  entry: null,
  parents: [],
  below: [],
  notes: [],
  skipped,
  warnings: [],
  next: nextOfSkipped(skipped),
})

const parentsOf = (resource: WaldurResource, served: ReadonlyArray<ParentAccount>): ReadonlyArray<ExplainedParent> =>
  served.flatMap(({ kind, members, account: { entry } }) =>
    entry !== undefined && members.has(resource)
      ? [{ kind, itemId: entry.itemId, name: nameOf(entry), mountPoint: entry.mountPoint.default }]
      : [],
  )

const nameOf = ({ target: { targetItem } }: StorageEntry): string => String(property(targetItem, "name") ?? "")
