/**
 * Explains entries: which rule decided each value, why a resource is skipped, and what must happen next. It renders the
 * same rulings that the tree is built from.
 */
import type { StorageEntry } from "../entry/storage-entry.ts"
import { normalizedPath } from "../rules/mount-path.ts"
import type { DecidedField, Refusal, Ruling } from "../rules/ruling.ts"
import type { Outcome } from "../tree/customer-tree.ts"
import { findingOf } from "../tree/findings.ts"
import type { Group } from "../tree/group.ts"
import { HierarchyBuilder, type HierarchyInput, noResources } from "../tree/hierarchy.ts"
import type { BuiltPart } from "../tree/parts.ts"
import { type Pass, runAtOnce } from "../tree/pass.ts"
import { type PlacedResource, placementRulings } from "../tree/place.ts"
import { whereaboutsOf } from "../tree/whereabouts.ts"
import { property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import type { Skipped, Warning } from "./finding.ts"
import { type NextStep, nextOfEntry, nextOfSkipped } from "./next-step.ts"
import { sentenceOf } from "./rules.ts"

/** The value that a rule decided: a text, a number (space in TB, inodes as a count), or `null` if there is none. */
export type DecidedValue = string | number | null

/** What a rule decided, and why. */
export interface Decision {
  readonly part: DecidedField
  readonly value: DecidedValue
  /** The path of a field in Waldur's record, the path of a setting, or the name of another source. */
  readonly from: string
  /** The rule's sentence. */
  readonly reason: string
}

/**
 * The subject: a UUID of a resource, customer or offering; a slug of a resource, project, customer or provider; or a
 * mount point.
 */
export type Lookup = { readonly uuid: string } | { readonly slug: string } | { readonly path: string }

/** Parses user input: a path begins with a slash, a UUID may have dashes or not, anything else is a slug. */
export const parseLookup = (text: string): Lookup => {
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

/** A resource below a tenant or customer: served at a mount point, or skipped. */
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
  /** The UUID of the offering, customer or resource, dashed; `null` if the record has none. */
  readonly uuid: string | null
  readonly slug: string | null
  readonly offeringSlug: string | null
  /**
   * `null` if it is skipped, and for a tenant or customer for which no directory may be served: a warning then says why.
   */
  readonly entry: StorageEntry | null
  /** From the tenant down; empty for a tenant. */
  readonly parents: ReadonlyArray<ExplainedParent>
  /** The resources of a tenant or customer, in list order; empty for a resource. */
  readonly below: ReadonlyArray<ResourceBelow>
  /** The decisions, in the order in which they were made. */
  readonly notes: ReadonlyArray<Decision>
  /** Why it is skipped, else `null`. */
  readonly skipped: Skipped | null
  readonly warnings: ReadonlyArray<Warning>
  /** What must happen for it to appear or to reach its next state; `null` for a tenant or customer that is not skipped. */
  readonly next: NextStep | null
}

/** The result of a `Lookup`. */
export interface Explanation {
  readonly ask: Lookup
  /** In this order: tenants and customers in list order, resources in list order, records without a place in the list. */
  readonly found: ReadonlyArray<Explained>
  /** How many of each were searched. */
  readonly lookedAt: {
    readonly resources: number
    /** Records that cannot be decoded; searched by the fields that are readable. */
    readonly malformed: number
    readonly tenants: number
    readonly customers: number
  }
}

/**
 * Explains where entries come from: the rule behind each value, why a resource is skipped, and what must happen next.
 * Builds the whole tree, as `buildHierarchy` does. A path that several resources claim finds all of them. Pure, never
 * throws; the result is JSON-serialisable.
 *
 * @param input all resources with their customers and GIDs, so that conflicts are found
 */
export const explain = (input: HierarchyInput, ask: Lookup): Explanation => {
  const { passes, end } = explaining(input, ask)
  runAtOnce(passes)
  return end()
}

/** An explanation in the making. */
export interface Explaining {
  /** To be run in this order. */
  readonly passes: ReadonlyArray<Pass>
  /** Returns the explanation; after the last pass. */
  readonly end: () => Explanation
}

/** `explain` for a caller that decides when its passes yield to other work. */
export const explaining = ({ decoded, customers, gids, ...frame }: HierarchyInput, ask: Lookup): Explaining => {
  const found = foundIn(ask)
  const change = { removed: noResources, added: decoded, customers, gids }
  const { passes, refused, shared } = new HierarchyBuilder(frame).update(change, found.add)
  const end = (): Explanation => {
    for (const { resource, warning } of shared) found.warn(resource, warning)
    return {
      ask,
      found: [
        ...found.parents,
        ...found.resources.values(),
        ...refused
          .filter(({ resource }) => asksForRecord(ask, resource))
          .map(({ resource, refusal }) =>
            explainedResource(resource, { refusal, rulings: refusal.rulings, warnings: [] }),
          ),
        ...decoded.skipped
          .filter((skipped, index) => asksForMalformed(ask, skipped, decoded.malformed[index]))
          .map(explainedMalformed),
      ],
      lookedAt: {
        resources: decoded.resources.length,
        malformed: decoded.skipped.length,
        ...found.counts,
      },
    }
  }
  return { passes, end }
}

/** A matching tenant or customer, and the resources below it so far. */
interface OpenParent extends Explained {
  readonly below: Array<ResourceBelow>
}

/** A tenant or customer with its outcome. */
interface Parent {
  readonly group: Group
  readonly outcome: Outcome
  /** Its explanation, if it matches the lookup. */
  readonly asked: OpenParent | undefined
  readonly above: ReadonlyArray<ExplainedParent>
}

/** Collects what matches the lookup from the parts of a tree, which arrive in list order. */
const foundIn = (ask: Lookup) => {
  const parents: Array<Explained> = []
  const resources = new Map<WaldurResource, Explained & { readonly warnings: Array<Warning> }>()
  const counts = { tenants: 0, customers: 0 }
  let [tenant, customer]: [Parent | undefined, Parent | undefined] = [undefined, undefined]

  const parentOf = (kind: "tenant" | "customer", group: Group, outcome: Outcome, above: Parent | undefined): Parent => {
    const entry = outcome.placed?.entry
    const asked = asksForParent(ask, kind, group.first.resource, entry)
      ? explainedParent(kind, group, outcome, above?.above ?? [])
      : undefined
    if (asked !== undefined) parents.push(asked)
    const self = entry && { kind, itemId: entry.itemId, name: nameOf(entry), mountPoint: entry.mountPoint.default }
    return { group, outcome, asked, above: [...(above?.above ?? []), ...(self === undefined ? [] : [self])] }
  }
  const addMember = (member: PlacedResource, outcome: Outcome) => {
    const { resource } = member
    const { placed, refusal } = outcome
    for (const parent of [tenant, customer]) parent?.asked?.below.push(belowOf(resource, outcome))
    if (!asksForRecord(ask, resource)) return
    // Findings about a tenant or customer name its first resource, in the list of warnings too.
    const parentsWithThisFirst = [tenant, customer].filter((parent) => parent?.group.first === member)
    const remarks = [member.path, ...parentsWithThisFirst.map((parent) => parent?.outcome), outcome].flatMap(
      (decided) => decided?.remarks ?? [],
    )
    const rulings = [...placementRulings(member), ...outcome.rulings]
    const warnings = remarks.map((remark) => findingOf(resource, remark))
    const account = { entry: placed?.entry, refusal, rulings, warnings }
    resources.set(resource, { ...explainedResource(resource, account, customer?.above), warnings })
  }
  return {
    parents,
    resources,
    counts,
    add: (part: BuiltPart): void => {
      if (part.parent !== undefined && part.customer === undefined) {
        counts.tenants += 1
        tenant = parentOf("tenant", part.tenant, part.parent, undefined)
      } else if (part.parent !== undefined && part.customer !== undefined) {
        counts.customers += 1
        customer = parentOf("customer", part.customer, part.parent, tenant)
      }
      for (const [at, outcome] of part.outcomes.entries()) addMember(part.members[at] as PlacedResource, outcome)
    },
    warn: (resource: WaldurResource, warning: Warning): void => {
      resources.get(resource)?.warnings.push(warning)
    },
  }
}

const belowOf = ({ uuid, slug }: WaldurResource, { placed, refusal }: Outcome): ResourceBelow => ({
  uuid,
  slug,
  mountPoint: placed?.entry.mountPoint.default ?? null,
  status: placed?.entry.status ?? null,
  skipped: refusal?.code ?? null,
})

const decisionOf = (ruling: Ruling): Decision => ({
  part: ruling.decides,
  value: shownValue(ruling),
  from: ruling.field,
  reason: sentenceOf(ruling),
})

const shownValue = ({ decides, value }: Ruling): DecidedValue => {
  if (typeof value === "string" || typeof value === "number") return value
  if (decides === "target item") return String(property(value, "itemId"))
  if (decides === "customer") return String(property(value, "name"))
  if (decides === "callback URLs") return Object.keys(value as object).join(", ") || null
  return null
}

/** Whether a record matches the lookup; fields that it lacks do not match. */
const asksForRecord = (ask: Lookup, record: unknown): boolean => {
  if ("uuid" in ask) return dashedUuid(property(record, "uuid")) === ask.uuid
  if ("slug" in ask) return property(record, "slug") === ask.slug || property(record, "project_slug") === ask.slug
  return whereaboutsOf(record).paths.includes(ask.path)
}

const asksForMalformed = (ask: Lookup, { slug }: Skipped, record: unknown): boolean =>
  asksForRecord(ask, record) || ("slug" in ask && slug === ask.slug)

const asksForParent = (
  ask: Lookup,
  kind: "tenant" | "customer",
  first: WaldurResource,
  entry: StorageEntry | undefined,
): boolean => {
  if ("path" in ask) return entry?.mountPoint.default === ask.path
  const [uuid, slug] =
    kind === "tenant" ? [first.offering_uuid, first.provider_slug] : [first.customer_uuid, first.customer_slug]
  return "uuid" in ask ? (entry?.itemId ?? uuid) === ask.uuid : slug === ask.slug
}

const explainedParent = (
  kind: "tenant" | "customer",
  { first: { resource } }: Group,
  { placed, refusal, rulings, remarks }: Outcome,
  parents: ReadonlyArray<ExplainedParent>,
): OpenParent => {
  const skipped = refusal === undefined ? null : findingOf(resource, refusal)
  return {
    kind,
    uuid: placed?.entry.itemId ?? (kind === "tenant" ? resource.offering_uuid : resource.customer_uuid) ?? null,
    slug: kind === "tenant" ? resource.provider_slug : resource.customer_slug,
    offeringSlug: resource.offering_slug,
    entry: placed?.entry ?? null,
    parents,
    below: [],
    notes: rulings.map(decisionOf),
    skipped,
    warnings: remarks.map((remark) => findingOf(resource, remark)),
    next: skipped === null ? null : nextOfSkipped(skipped),
  }
}

const explainedResource = (
  resource: WaldurResource,
  account: {
    readonly entry?: StorageEntry | undefined
    readonly refusal: Refusal | undefined
    readonly rulings: ReadonlyArray<Ruling>
    readonly warnings: ReadonlyArray<Warning>
  },
  parents: ReadonlyArray<ExplainedParent> = [],
): Explained => {
  const { entry, refusal, rulings, warnings } = account
  const skipped = refusal === undefined ? null : findingOf(resource, refusal)
  return {
    kind: "resource",
    uuid: resource.uuid,
    slug: resource.slug,
    offeringSlug: resource.offering_slug,
    entry: entry ?? null,
    parents,
    below: [],
    notes: rulings.map(decisionOf),
    skipped,
    warnings,
    next: entry !== undefined ? nextOfEntry(entry, resource.order_in_progress) : skipped && nextOfSkipped(skipped),
  }
}

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

const nameOf = ({ target: { targetItem } }: StorageEntry): string => String(property(targetItem, "name") ?? "")
