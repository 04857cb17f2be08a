import { Result } from "effect"
import { type Problem, problem, type WarningCode } from "../report/finding.ts"
import { jsonText } from "../waldur/json-object.ts"
import { longestText, type WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import type { CustomerGroup } from "./group.ts"
import { eachInSteps, findInSteps, type Steps } from "./steps.ts"

/** A customer in an offering's own list (`/api/marketplace-provider-offerings/<uuid>/customers/`). */
export interface OfferingCustomer {
  readonly uuid: string
  readonly slug: string
  readonly name: string
}

/** An offering's list of customers; `refused` where the token may not read it, so that nobody need be told again. */
export type CustomerList = ReadonlyArray<OfferingCustomer> | "refused"

/** Who the customer of some resources is. */
export interface Customer {
  readonly itemId: string
  readonly name: string
  /** Where the name is from: a field, or the offering's list. */
  readonly from: string
  /** Why it is that one. */
  readonly reason: string
  readonly warning?: { readonly code: WarningCode; readonly problem: Problem }
}

type CustomerOf = (group: CustomerGroup) => Steps<Result.Result<Customer, Problem>>

interface Directory {
  readonly byUuid: Map<string, OfferingCustomer>
  readonly bySlug: Map<string, OfferingCustomer>
}

/**
 * Finds the customer of resources of one customer slug: by UUID in their offering's own list, by slug where the
 * resources give no UUID. A customer that is not there, or whose list could not be read, is named as the resource
 * itself names it, with a warning unless the token may not read the list: the tree stays whole.
 */
export function* customerDirectory(lists: ReadonlyMap<string, CustomerList>): Steps<CustomerOf> {
  const directories = new Map<string, Directory | "refused">()
  for (const [offering, listed] of lists) {
    if (listed === "refused") {
      directories.set(dashedUuid(offering) ?? offering, listed)
      continue
    }
    const directory: Directory = { byUuid: new Map(), bySlug: new Map() }
    yield* eachInSteps(listed, (customer) => {
      if (customer.name.length > longestText || customer.slug.length > longestText) return
      const uuid = dashedUuid(customer.uuid)
      // It could only take the place of a good one.
      if (uuid === undefined) return
      keepOne(directory.byUuid, uuid, customer)
      keepOne(directory.bySlug, customer.slug, customer)
    })
    directories.set(dashedUuid(offering) ?? offering, directory)
  }

  return function* ({ first, members }) {
    const withUuid: Array<WaldurResource> = []
    const withoutUuid: Array<WaldurResource> = []
    yield* eachInSteps(members, ({ resource }) =>
      (resource.customer_uuid == null ? withoutUuid : withUuid).push(resource),
    )
    // The first that names its customer well speaks for all; they are in a stable order.
    const byVoice = withUuid.concat(withoutUuid)
    const voice = yield* findInSteps(byVoice, (one) => Result.isSuccess(namedBy(one, directories)))
    const customer = namedBy(voice ?? byVoice[0] ?? first.resource, directories)
    if (Result.isFailure(customer) || customer.success.warning !== undefined) return customer

    const { itemId } = customer.success
    const stranger = yield* findInSteps(withUuid, (one) => one.customer_uuid !== itemId)
    if (stranger === undefined) return customer
    const slug = first.resource.customer_slug
    const reason = `two customers have this slug and share a directory: ${itemId} and ${stranger.customer_uuid}`
    const warning = { code: "shared-mount-point" as const, problem: problem("customer_slug", slug, reason) }
    return Result.succeed({ ...customer.success, warning })
  }
}

/** Where a list has one uuid or slug twice, the choice depends on the content alone. */
const keepOne = (customers: Map<string, OfferingCustomer>, key: string, customer: OfferingCustomer) => {
  const other = customers.get(key)
  if (other === undefined || contentOf(other) < contentOf(customer)) customers.set(key, customer)
}

const contentOf = ({ uuid, slug, name }: OfferingCustomer) => jsonText([uuid, slug, name])

const namedBy = (
  resource: WaldurResource,
  directories: ReadonlyMap<string, Directory | "refused">,
): Result.Result<Customer, Problem> => {
  const list = directories.get(resource.offering_uuid)
  const isRefused = list === "refused"
  const directory = isRefused ? undefined : list
  const listed =
    resource.customer_uuid == null
      ? directory?.bySlug.get(resource.customer_slug)
      : directory?.byUuid.get(resource.customer_uuid)
  const itemId = resource.customer_uuid ?? dashedUuid(listed?.uuid)
  if (itemId == null) return Result.fail(problem("customer_uuid", resource.customer_uuid, "missing; expected a UUID"))
  if (listed !== undefined) {
    const by = resource.customer_uuid == null ? "by customer_slug, for no resource gives a UUID" : "by customer_uuid"
    return Result.succeed({
      itemId,
      name: listed.name,
      from: "the offering's list of customers",
      reason: `found ${by}`,
    })
  }
  if (resource.customer_name == null) {
    return Result.fail(problem("customer_name", resource.customer_name, "missing, and not in the offering's list"))
  }
  const reason = `${isRefused ? "the token may not read the offering's list of customers" : directory === undefined ? "the offering's list of customers could not be read" : "not in the offering's list of customers"}; named as the resource names it`
  return Result.succeed({
    itemId,
    name: resource.customer_name,
    from: "customer_name",
    reason,
    ...(!isRefused && {
      warning: { code: "customer-fallback", problem: problem("customer_uuid", resource.customer_uuid, reason) },
    }),
  })
}
