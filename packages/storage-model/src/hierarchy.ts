import { Result } from "effect"
import { compare } from "./code-unit-order.ts"
import { customerDirectory, type OfferingCustomer } from "./customer-directory.ts"
import { type Problem, problem, type SkipCode, type Skipped, type Warn, type Warning } from "./finding.ts"
import { jsonText } from "./json-object.ts"
import { stateOf } from "./lifecycle.ts"
import { livePathsOf } from "./live-path.ts"
import {
  byPlace,
  consecutive,
  type Located,
  locate,
  occupants,
  sameCustomer,
  sameTenant,
  sharedDirectory,
} from "./located-resource.ts"
import { invalidComponent, parentDirectory } from "./mount-path.ts"
import { defaultPermissions } from "./permissions.ts"
import { type GidAnswer, resourceEntry } from "./resource-entry.ts"
import type { ModelSettings } from "./settings.ts"
import type { StorageEntry } from "./storage-entry.ts"
import { storageNames } from "./storage-names.ts"
import type { DecodedResources, WaldurResource } from "./waldur-resource.ts"

/** All that the tree is made of. */
export interface HierarchyInput {
  readonly decoded: DecodedResources
  /** Each offering's own list of customers, by the offering's dashed UUID; without a key where it could not be read. */
  readonly customers: ReadonlyMap<string, ReadonlyArray<OfferingCustomer>>
  /** By project slug; see `projectsWithoutItem` for which are needed. */
  readonly gids: ReadonlyMap<string, GidAnswer>
  readonly settings: ModelSettings
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

/**
 * Builds the tree tenant, customer, project of every storage system from all resources of Waldur.
 *
 * A record that cannot be served is left out with its reason and costs no other its place; the tenant and customer above
 * it stay, as far as it names them well. The result depends on the content of the input alone, never on its order, and
 * nothing makes it throw.
 */
export const buildHierarchy = ({ decoded, customers, gids, settings }: HierarchyInput): Hierarchy => {
  const skipped: Array<Skipped> = [...decoded.skipped]
  const warnings: Array<Warning> = []
  const skip = (resource: WaldurResource, code: SkipCode, found: Problem) => {
    skipped.push({ code, ...identityOf(resource), ...found })
  }
  const warnOf =
    (resource: WaldurResource): Warn =>
    (code, found) => {
      warnings.push({ code, ...identityOf(resource), ...found })
    }

  const badButLive = [...decoded.malformed]
  const located = distinct(decoded.resources, skip).flatMap((resource) => {
    const place = locate(resource, settings, warnOf(resource))
    if (Result.isSuccess(place)) return [place.success]
    skip(resource, place.failure.code, place.failure.problem)
    if (place.failure.code === "bad-data") badButLive.push(resource)
    return []
  })
  located.sort(byPlace)

  const customerOf = customerDirectory(customers)
  const live = livePathsOf(occupants(located, badButLive))
  const entries: Array<PlacedEntry> = []

  for (const tenant of consecutive(located, sameTenant)) {
    const names = storageNames(tenant.first, settings)
    const { resource } = tenant.first
    const tenantKey = resource.provider_slug
    const pushParent = (
      members: ReadonlyArray<Located>,
      targetType: "tenant" | "customer",
      targetItem: { readonly itemId: string; readonly key: string; readonly name: string },
      mountPoint: string,
      parentItemId: string | null,
    ) =>
      entries.push({
        offeringSlug: resource.offering_slug,
        states: new Set(members.map((member) => stateOf(member.resource.state))),
        entry: {
          itemId: targetItem.itemId,
          status: "pending",
          mountPoint: { default: mountPoint },
          permission: { permissionType: "octal", value: defaultPermissions },
          quotas: null,
          target: { targetType, targetItem },
          ...names,
          parentItemId,
        },
      })

    const tenantItem = {
      itemId: resource.offering_uuid,
      key: tenantKey,
      name:
        tenant.members.find((member) => member.resource.provider_name)?.resource.provider_name ??
        tenantKey.toUpperCase(),
    }
    const { tenantPath } = tenant.first
    const grandparent = (path: string) => parentDirectory(parentDirectory(path))
    pushParent(tenant.members, "tenant", tenantItem, sharedDirectory(tenant.members, grandparent) ?? tenantPath, null)

    for (const group of consecutive(tenant.members, sameCustomer)) {
      const invalidSlug = invalidComponent("customer_slug", group.first.resource.customer_slug)
      const customer =
        invalidSlug === undefined
          ? customerOf(group.members.map((member) => member.resource))
          : Result.fail(invalidSlug)
      if (Result.isFailure(customer)) {
        for (const member of group.members) skip(member.resource, "bad-data", customer.failure)
        continue
      }
      const { itemId, name, warning } = customer.success
      if (warning !== undefined) warnOf(group.first.resource)(warning.code, warning.problem)
      const key = group.first.resource.customer_slug
      const path = sharedDirectory(group.members, parentDirectory) ?? `${tenantPath}/${key}`
      pushParent(group.members, "customer", { itemId, key, name }, path, tenantItem.itemId)

      for (const member of group.members) {
        const made = resourceEntry(member, {
          live,
          gids,
          settings,
          names,
          parentItemId: itemId,
          warn: warnOf(member.resource),
        })
        if (Result.isFailure(made)) skip(member.resource, made.failure.code, made.failure.problem)
        else {
          const states = new Set([stateOf(member.resource.state)])
          entries.push({ offeringSlug: member.resource.offering_slug, states, entry: made.success })
        }
      }
    }
  }
  return { entries, skipped: skipped.sort(byIdentity), warnings: warnings.sort(byIdentity) }
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

/** One record for each uuid. Where records of one uuid differ, the choice depends on their content alone. */
const distinct = (
  resources: ReadonlyArray<WaldurResource>,
  skip: (resource: WaldurResource, code: SkipCode, found: Problem) => void,
): ReadonlyArray<WaldurResource> => {
  const byUuid = new Map<string, WaldurResource>()
  for (const resource of resources) {
    const other = byUuid.get(resource.uuid)
    if (other === undefined) {
      byUuid.set(resource.uuid, resource)
      continue
    }
    const [kept, dropped] = jsonText(other) <= jsonText(resource) ? [other, resource] : [resource, other]
    byUuid.set(resource.uuid, kept)
    skip(dropped, "duplicate", problem("uuid", dropped.uuid, "Waldur sent this resource more than once"))
  }
  return [...byUuid.values()]
}
