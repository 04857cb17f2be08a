import { Result } from "effect"
import { type Problem, problem, type WarningCode } from "./finding.ts"
import { jsonText } from "./json-object.ts"
import { dashedUuid } from "./uuid.ts"
import type { WaldurResource } from "./waldur-resource.ts"

/** A customer in an offering's own list (`/api/marketplace-provider-offerings/<uuid>/customers/`). */
export interface OfferingCustomer {
  readonly uuid: string
  readonly slug: string
  readonly name: string
}

/** Who the customer of some resources is. */
export interface Customer {
  readonly itemId: string
  readonly name: string
  readonly warning?: { readonly code: WarningCode; readonly problem: Problem }
}

const contentOf = ({ uuid, slug, name }: OfferingCustomer) => jsonText([uuid, slug, name])
const byContent = (a: OfferingCustomer, b: OfferingCustomer): number => {
  const [first, second] = [contentOf(a), contentOf(b)]
  return first < second ? -1 : first > second ? 1 : 0
}

/**
 * Finds the customer of resources of one customer slug: by UUID in their offering's own list, by slug where the
 * resources give no UUID. A customer that is not there, or whose list could not be read, is named as the resource
 * itself names it, with a warning: the tree stays whole.
 */
export const customerDirectory = (lists: ReadonlyMap<string, ReadonlyArray<OfferingCustomer>>) => {
  const directories = new Map(
    Array.from(lists, ([offering, listed]) => {
      // Where a list has one uuid or slug twice, the choice depends on the content alone.
      const customers = listed.toSorted(byContent)
      return [
        dashedUuid(offering) ?? offering,
        {
          byUuid: new Map(customers.map((customer) => [dashedUuid(customer.uuid), customer] as const)),
          bySlug: new Map(customers.map((customer) => [customer.slug, customer] as const)),
        },
      ]
    }),
  )
  const namedBy = (
    resource: WaldurResource,
    resources: ReadonlyArray<WaldurResource>,
  ): Result.Result<Customer, Problem> => {
    const directory = directories.get(resource.offering_uuid)
    const listed =
      resource.customer_uuid == null
        ? directory?.bySlug.get(resource.customer_slug)
        : directory?.byUuid.get(resource.customer_uuid)
    const itemId = resource.customer_uuid ?? dashedUuid(listed?.uuid)
    if (itemId == null) return Result.fail(problem("customer_uuid", resource.customer_uuid, "missing; expected a UUID"))
    const stranger = resources.find((one) => one.customer_uuid != null && one.customer_uuid !== itemId)
    if (listed !== undefined) {
      return Result.succeed({
        itemId,
        name: listed.name,
        ...(stranger !== undefined && {
          warning: {
            code: "shared-mount-point" as const,
            problem: problem(
              "customer_slug",
              resource.customer_slug,
              `two customers have this slug and share a directory: ${itemId} and ${stranger.customer_uuid}`,
            ),
          },
        }),
      })
    }
    if (resource.customer_name == null) {
      return Result.fail(problem("customer_name", resource.customer_name, "missing, and not in the offering's list"))
    }
    return Result.succeed({
      itemId,
      name: resource.customer_name,
      warning: {
        code: "customer-fallback",
        problem: problem(
          "customer_uuid",
          resource.customer_uuid,
          `${directory === undefined ? "the offering's list of customers could not be read" : "not in the offering's list of customers"}; named as the resource names it`,
        ),
      },
    })
  }
  return (resources: ReadonlyArray<WaldurResource>): Result.Result<Customer, Problem> => {
    // The first that names its customer well speaks for all; they are in a stable order.
    const byVoice = [
      ...resources.filter((one) => one.customer_uuid != null),
      ...resources.filter((one) => one.customer_uuid == null),
    ]
    let failure: Result.Result<Customer, Problem> | undefined
    for (const resource of byVoice) {
      const customer = namedBy(resource, resources)
      if (Result.isSuccess(customer)) return customer
      failure ??= customer
    }
    return failure ?? Result.fail(problem("customer_uuid", null, "missing; expected a UUID"))
  }
}
