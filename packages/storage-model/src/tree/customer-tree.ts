/** Builds the entries of one tenant or customer, from its placed resources and a small context only. */
import type { StorageEntry } from "../entry/storage-entry.ts"
import type { StorageNames } from "../entry/storage-names.ts"
import type { Remark } from "../report/finding.ts"
import { stateOf, waldurStates } from "../rules/lifecycle.ts"
import { invalidComponent, type PathRule } from "../rules/mount-path.ts"
import { defaultPermissions } from "../rules/permissions.ts"
import {
  badData,
  type Derived,
  isRefusal,
  none,
  ofOneRecord,
  type Refusal,
  type Ruling,
  ruling,
} from "../rules/ruling.ts"
import { jsonText } from "../waldur/json-object.ts"
import { type CustomerIndex, customerOf } from "./customers.ts"
import type { CustomerGroup, Group, TenantGroup } from "./group.ts"
import { parentDirectoryOf } from "./parent-directory.ts"
import type { PlacedResource } from "./place.ts"
import { type EntryContext, resourceEntry } from "./resource-entry.ts"

/** What a customer's entries depend on besides its placed resources. */
export interface TreeContext extends EntryContext {
  readonly rule: PathRule
  readonly customers: CustomerIndex
}

/** An entry with its filterable values. */
export interface PlacedEntry {
  readonly entry: StorageEntry
  readonly offeringSlug: string
  /** The Waldur state of the resource; for a tenant or customer, of all resources below it, including skipped ones. */
  readonly states: ReadonlySet<string>
}

/** The outcome for a tenant, customer or resource: its entry, or why there is none, and the decisions made. */
export interface Outcome {
  readonly placed: PlacedEntry | undefined
  readonly refusal: Refusal | undefined
  readonly rulings: ReadonlyArray<Ruling>
  readonly remarks: ReadonlyArray<Remark>
}

/** Some consecutive resources of a customer. */
export interface CustomerSlice {
  readonly customer: CustomerGroup
  readonly from: number
  readonly members: ReadonlyArray<PlacedResource>
}

/** The outcomes of a slice's resources; in the first slice, also of the customer itself. */
interface BuiltCustomer {
  readonly customer: Outcome | undefined
  readonly members: ReadonlyArray<Outcome>
}

/** Builds the entry of a tenant; none, with a remark, if no directory may be served for it. */
export const buildTenant = (tenant: TenantGroup, context: TreeContext): Outcome => {
  const { resource, tenantPath } = tenant.first
  const key = resource.provider_slug
  const name = ruling(
    "tenant",
    tenant.named?.provider_name ?? key.toUpperCase(),
    tenant.named === undefined ? "provider_slug" : "provider_name",
    tenant.named === undefined ? "tenant/provider-slug" : "tenant/provider-name",
  )
  const directory = parentDirectoryOf(tenant, "tenant", tenantPath, context)
  const targetItem = { itemId: resource.offering_uuid, key, name: name.value }
  return parentOutcome(tenant, { targetType: "tenant", targetItem }, name, directory, tenant.names, null)
}

/** Builds the entries of one slice of a customer's resources; the first slice starts with the customer's own entry. */
export const buildCustomer = ({ customer, from, members }: CustomerSlice, context: TreeContext): BuiltCustomer => {
  const { tenant, first } = customer
  const slug = first.resource.customer_slug
  const invalidSlug = invalidComponent("customer_slug", slug)
  const known =
    invalidSlug === undefined ? customerOf(customer.naming, first.resource, context.customers) : badData(invalidSlug)
  if (isRefusal(known)) {
    const skipped: Outcome = { placed: undefined, refusal: known, rulings: none, remarks: none }
    return { customer: from === 0 ? skipped : undefined, members: members.map(() => skipped) }
  }
  const { itemId, name } = known.value
  const above = { names: tenant.names, itemId }
  const outcomes = members.map((member) => memberOutcome(member, context, above))
  if (from > 0) return { customer: undefined, members: outcomes }
  const directory = parentDirectoryOf(customer, "customer", `${first.tenantPath}/${slug}`, context)
  const target = { targetType: "customer", targetItem: { itemId, key: slug, name } } as const
  const parent = parentOutcome(customer, target, known, directory, tenant.names, tenant.first.resource.offering_uuid)
  return { customer: parent, members: outcomes }
}

/** What the entries of a customer's resources contain of it. */
export const identityOf = (customer: CustomerGroup, index: CustomerIndex): string => {
  const known = customerOf(customer.naming, customer.first.resource, index)
  return isRefusal(known) ? jsonText(known.problem) : known.value.itemId
}

/** The outcome of a tenant or customer; without an entry if no directory may be served for it. */
const parentOutcome = (
  group: Group,
  target: {
    readonly targetType: "tenant" | "customer"
    readonly targetItem: { readonly itemId: string; readonly key: string; readonly name: string }
  },
  name: Ruling,
  directory: Ruling<string | undefined>,
  names: StorageNames,
  parentItemId: string | null,
): Outcome => {
  const remarks = [...name.remarks, ...directory.remarks]
  const path = directory.value
  if (path === undefined) return { placed: undefined, refusal: undefined, rulings: [name, directory], remarks }
  const entry: StorageEntry = {
    itemId: target.targetItem.itemId,
    status: parentStatus.value,
    mountPoint: { default: path },
    permission: { permissionType: "octal", value: parentPermission.value },
    quotas: null,
    target,
    ...names,
    parentItemId,
  }
  const placed = { offeringSlug: group.first.resource.offering_slug, states: group.states, entry }
  return { placed, refusal: undefined, rulings: [name, directory, parentPermission, parentStatus], remarks }
}

const parentPermission = ruling("permission", defaultPermissions, "fixed", "permission/parent")
const parentStatus = ruling<StorageEntry["status"]>("status", "pending", "fixed", "status/parent")

const memberOutcome = (
  member: PlacedResource,
  context: TreeContext,
  above: { readonly names: StorageNames; readonly itemId: string },
): Outcome => {
  const made: Derived<StorageEntry> | Refusal = ofOneRecord(() => resourceEntry(member, context, above))
  const { rulings, remarks } = made
  if (isRefusal(made)) return { placed: undefined, refusal: made, rulings, remarks }
  const { offering_slug: offeringSlug, state } = member.resource
  return {
    placed: { offeringSlug, states: loneState(stateOf(state)), entry: made.value },
    refusal: undefined,
    rulings,
    remarks,
  }
}

const loneStates = new Map<string, ReadonlySet<string>>(waldurStates.map((state) => [state, new Set([state])]))
/** One shared set for all resources in the same state. */
const loneState = (state: string): ReadonlySet<string> => loneStates.get(state) ?? new Set([state])
