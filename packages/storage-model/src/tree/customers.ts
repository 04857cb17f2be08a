/** Identifies customers: by the offering's own list, or else by their resources. */
import { problem, remark } from "../report/finding.ts"
import { sentenceOf } from "../report/rules.ts"
import { badData, isRefusal, type Refusal, type Ruling, ruling } from "../rules/ruling.ts"
import { jsonText } from "../waldur/json-object.ts"
import { longestText, type WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { flatMapLazily } from "./order.ts"
import { pass } from "./pass.ts"

/** A customer in an offering's own list (`/api/marketplace-provider-offerings/<uuid>/customers/`). */
export interface OfferingCustomer {
  readonly uuid: string
  readonly slug: string
  readonly name: string
}

/** An offering's list of customers; `refused` if the token may not read it, which is not a finding. */
export type CustomerList = ReadonlyArray<OfferingCustomer> | "refused"

/** The identity of a customer. */
export interface Customer {
  readonly itemId: string
  readonly name: string
}

/** An offering's list, by the keys of its customers. */
interface ListedCustomers {
  readonly byUuid: Map<string, OfferingCustomer>
  readonly bySlug: Map<string, OfferingCustomer>
}

/** Looks up the customers of resources in the lists of their offerings. */
export interface CustomerIndex {
  readonly isNamedBy: (resource: WaldurResource) => boolean
  /** The customer of a resource, by its UUID or slug. */
  readonly namedBy: (resource: WaldurResource) => Ruling<Customer> | Refusal
}

/**
 * The customers of all lists, which `passes` bring up to date. If a uuid or slug occurs twice in a list, the choice depends
 * on the content, not on the order.
 */
export const customerIndex = () => {
  let lists: ReadonlyMap<string, CustomerList> = new Map()
  let next: ReadonlyMap<string, CustomerList> = new Map()
  const indexed = new Map<string, ListedCustomers | "refused">()
  /** What changed: whole lists, by their offering, and the UUIDs and slugs of customers. */
  const changed = { offerings: new Set<string>(), keys: new Set<string>() }

  const changedLists = () => [...next].filter(([offering, list]) => lists.get(offering) !== list)
  const before = new Map<string, ListedCustomers>()
  const begin = ([offering, list]: readonly [string, CustomerList]) => {
    const uuid = dashedUuid(offering) ?? offering
    const known = indexed.get(uuid)
    if (list === "refused" || known === "refused" || known === undefined) changed.offerings.add(uuid)
    else before.set(uuid, known)
    indexed.set(uuid, list === "refused" ? list : { byUuid: new Map(), bySlug: new Map() })
    return list === "refused" ? [] : flatMapLazily(list, (customer) => [{ offering: uuid, customer }])
  }
  const add = ({ offering, customer }: { readonly offering: string; readonly customer: OfferingCustomer }): void => {
    const listed = indexed.get(offering)
    if (listed !== undefined && listed !== "refused") addListed(listed, customer)
  }
  const compareWithBefore = ([offering, known]: readonly [string, ListedCustomers]) => {
    const now = indexed.get(offering)
    if (now === undefined || now === "refused") return
    addDifferences(known.byUuid, now.byUuid, changed.keys)
    addDifferences(known.bySlug, now.bySlug, changed.keys)
  }
  const namedBy = (resource: WaldurResource) => customerNamedBy(resource, indexed.get(resource.offering_uuid))
  return {
    update: (given: ReadonlyMap<string, CustomerList>): void => {
      next = given
      for (const offering of lists.keys()) {
        if (next.has(offering)) continue
        const uuid = dashedUuid(offering) ?? offering
        indexed.delete(uuid)
        changed.offerings.add(uuid)
      }
    },
    passes: [pass(() => flatMapLazily(changedLists(), begin), add), pass(() => before, compareWithBefore)],
    hasChanged: (): boolean => changed.offerings.size + changed.keys.size > 0,
    /** Whether the identity of these resources' customer may have changed. */
    affects: (members: ReadonlyArray<WaldurResource>): boolean =>
      members.some(
        ({ offering_uuid, customer_uuid, customer_slug }) =>
          changed.offerings.has(offering_uuid) || changed.keys.has(customer_uuid ?? customer_slug),
      ),
    settle: (): void => {
      lists = next
      before.clear()
      changed.offerings.clear()
      changed.keys.clear()
    },
    namedBy,
    isNamedBy: (resource: WaldurResource) => !isRefusal(namedBy(resource)),
  }
}

const addDifferences = (
  before: ReadonlyMap<string, OfferingCustomer>,
  now: ReadonlyMap<string, OfferingCustomer>,
  keys: Set<string>,
) => {
  const isSame = (a: OfferingCustomer | undefined, b: OfferingCustomer) =>
    a !== undefined && contentOf(a) === contentOf(b)
  for (const key of before.keys()) if (!now.has(key)) keys.add(key)
  for (const [key, customer] of now) if (!isSame(before.get(key), customer)) keys.add(key)
}

const addListed = ({ byUuid, bySlug }: ListedCustomers, customer: OfferingCustomer): void => {
  if (customer.name.length > longestText || customer.slug.length > longestText) return
  const uuid = dashedUuid(customer.uuid)
  // An entry without a UUID could only displace a good one.
  if (uuid === undefined) return
  keepOne(byUuid, uuid, customer)
  keepOne(bySlug, customer.slug, customer)
}

const keepOne = (customers: Map<string, OfferingCustomer>, key: string, customer: OfferingCustomer) => {
  const other = customers.get(key)
  if (other === undefined || contentOf(other) < contentOf(customer)) customers.set(key, customer)
}

const contentOf = ({ uuid, slug, name }: OfferingCustomer) => jsonText([uuid, slug, name])

/** The resources that may identify their customer: those with a customer UUID come first, in list order. */
export interface NamingCandidates {
  /** The first with a UUID, and the first of these that identifies the customer. */
  firstWithUuid: WaldurResource | undefined
  namingWithUuid: WaldurResource | undefined
  namingWithoutUuid: WaldurResource | undefined
  /** The first two distinct customer UUIDs. */
  readonly uuids: Array<string>
}

export const noCandidates = (): NamingCandidates => ({
  firstWithUuid: undefined,
  namingWithUuid: undefined,
  namingWithoutUuid: undefined,
  uuids: [],
})

/** Adds a resource of a customer. Called in list order. */
export const addNaming = (group: NamingCandidates, resource: WaldurResource, index: CustomerIndex) => {
  const uuid = resource.customer_uuid
  if (uuid === undefined || uuid === null) {
    if (group.namingWithUuid === undefined && group.namingWithoutUuid === undefined && index.isNamedBy(resource))
      group.namingWithoutUuid = resource
    return
  }
  group.firstWithUuid ??= resource
  if (group.namingWithUuid === undefined && index.isNamedBy(resource)) group.namingWithUuid = resource
  if (group.uuids.length < 2 && group.uuids[0] !== uuid) group.uuids.push(uuid)
}

/**
 * The customer of the resources with one customer slug: looked up in their offering's list by UUID, or by slug if no UUID
 * identifies it. A customer that is not in the list, or whose list could not be read, takes its name from the resource, with
 * a remark unless the token may not read the list. So the tree stays complete.
 */
export const customerOf = (
  { firstWithUuid, namingWithUuid, namingWithoutUuid, uuids }: NamingCandidates,
  first: WaldurResource,
  { namedBy }: CustomerIndex,
): Ruling<Customer> | Refusal => {
  const naming = namingWithUuid ?? namingWithoutUuid ?? firstWithUuid ?? first
  const customer = namedBy(naming)
  if (isRefusal(customer)) return customer
  const { itemId } = customer.value
  const conflicting = uuids.find((uuid) => uuid !== itemId)
  if (conflicting === undefined) return customer
  const reason = `two customers have this slug and share a directory: ${itemId} and ${conflicting}`
  const conflict = remark("shared-mount-point", "customer_slug", first.customer_slug, reason)
  return { ...customer, remarks: [...customer.remarks, conflict] }
}

const customerNamedBy = (
  resource: WaldurResource,
  list: ListedCustomers | "refused" | undefined,
): Ruling<Customer> | Refusal => {
  const { customer_uuid: uuid, customer_name: name } = resource
  const isRefused = list === "refused"
  const readable = isRefused ? undefined : list
  const hasNoUuid = uuid === undefined || uuid === null
  const listed = hasNoUuid ? readable?.bySlug.get(resource.customer_slug) : readable?.byUuid.get(uuid)
  const itemId = uuid ?? dashedUuid(listed?.uuid)
  if (itemId === undefined) return badData(problem("customer_uuid", uuid, "missing; expected a UUID"))
  if (listed !== undefined) {
    const rule = hasNoUuid ? "customer/listed-by-slug" : "customer/listed-by-uuid"
    return ruling("customer", { itemId, name: listed.name }, "the offering's list of customers", rule)
  }
  if (name === undefined || name === null) {
    return badData(problem("customer_name", name, "missing, and the customer is not in the offering's list"))
  }
  const rule = isRefused
    ? "customer/list-refused"
    : readable === undefined
      ? "customer/list-unread"
      : "customer/unlisted"
  const remarks = isRefused
    ? []
    : [remark("customer-fallback", "customer_uuid", uuid, sentenceOf({ rule, facts: undefined }))]
  return ruling("customer", { itemId, name }, "customer_name", rule, undefined, remarks)
}
