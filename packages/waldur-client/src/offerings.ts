/** Offerings and their customers. */
import { Effect, Option, Schema } from "effect"
import { readAllPages } from "./all-pages.ts"
import { AnyObject, type WaldurCalls } from "./calls.ts"
import type { WaldurError } from "./errors.ts"

/** The identifying fields of an offering. */
export interface OfferingSummary {
  /** As Waldur sends it: 32 hex digits, no dashes. */
  readonly uuid: string
  readonly slug: string
  readonly name: string
  /** `Draft`, `Active`, `Paused`, `Archived`, `Unavailable`. */
  readonly state?: string
  /** The provider's name. */
  readonly customerName?: string
}

/** An organization that has resources of an offering. */
export interface OfferingCustomer {
  /** As Waldur sends it: 32 hex digits, no dashes. */
  readonly uuid: string
  readonly slug: string
  readonly name: string
}

const path = "marketplace-provider-offerings/"

const named = { uuid: Schema.String, slug: Schema.String, name: Schema.String }
const decodeCustomer = Schema.decodeUnknownOption(Schema.Struct(named))
const decodeOffering = Schema.decodeUnknownOption(
  Schema.Struct({
    ...named,
    state: Schema.optionalKey(Schema.NullOr(Schema.String)),
    customer_name: Schema.optionalKey(Schema.NullOr(Schema.String)),
  }),
)

/** Reads all offerings that the token's user provides. */
export const readOfferings = Effect.fn("WaldurClient.offerings")(function* (
  calls: WaldurCalls,
): Effect.fn.Return<ReadonlyArray<OfferingSummary>, WaldurError> {
  const fields = ["uuid", "slug", "name", "state", "customer_name"]
  const { rows } = yield* readAllPages(calls, { path, query: [], fields })
  return rows
    .flatMap((row) => Option.toArray(decodeOffering(row)))
    .map(
      ({ uuid, slug, name, state, customer_name }): OfferingSummary => ({
        uuid,
        slug,
        name,
        ...(state == null ? {} : { state }),
        ...(customer_name == null ? {} : { customerName: customer_name }),
      }),
    )
})

/** Reads one offering with all attributes. */
export const readOffering = Effect.fn("WaldurClient.offering")(function* (
  calls: WaldurCalls,
  uuid: string,
): Effect.fn.Return<Readonly<Record<string, unknown>>, WaldurError> {
  return yield* calls.object(`${path}${encodeURIComponent(uuid)}/`, [], AnyObject)
})

/** Reads all customers of an offering. */
export const readOfferingCustomers = Effect.fn("WaldurClient.offeringCustomers")(function* (
  calls: WaldurCalls,
  offeringUuid: string,
): Effect.fn.Return<ReadonlyArray<OfferingCustomer>, WaldurError> {
  const { rows } = yield* readAllPages(calls, {
    path: `${path}${encodeURIComponent(offeringUuid)}/customers/`,
    query: [],
    fields: Object.keys(named),
  })
  return rows.flatMap((row) => Option.toArray(decodeCustomer(row)))
})
