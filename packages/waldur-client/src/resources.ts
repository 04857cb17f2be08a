import { Effect, Option, Schema } from "effect"
import { readAllPages, type WholeList } from "./all-pages.ts"
import { AnyObject, fieldQuery, type Query, type WaldurCalls } from "./calls.ts"
import { replaceRows } from "./consistency.ts"
import { type WaldurError, WaldurTooOld } from "./errors.ts"

export interface ResourceQuery {
  /** Slugs of the offerings whose resources are wanted, none with a comma. None at all gives no resource. */
  readonly offeringSlugs: ReadonlyArray<string>
  /** Fields of a resource, as Waldur names them. `uuid` and `offering_slug` always come too. */
  readonly fields: ReadonlyArray<string>
}

/** All resources that a query selects. */
export interface ResourceRead {
  /**
   * Each resource once, as Waldur sent it, undecoded: so that a bad one costs no other its place. In Waldur's order
   * (`created`), but for those that appeared while it was read, which come last.
   */
  readonly rows: ReadonlyArray<unknown>
  /** Waldur's own count of them. */
  readonly total: number
  /** How often the pages were read: 1 unless Waldur changed meanwhile, at most 4. */
  readonly reads: number
}

const path = "marketplace-resources/"

/** States of an order that is neither done nor refused: Waldur then gives it as `order_in_progress`. */
const statesInProgress = ["pending-consumer", "pending-provider", "pending-project", "pending-start-date", "executing"]

/** No slug and no state: Django makes slugs without underscores, and order states are fixed. */
const impossible = "__impossible__"

const providersOnly: Query = [["visible_to_providers", "true"]]

/** Blank slugs are left out: Waldur takes an empty filter for none, and would give everybody's resources. */
export const usableSlugs = (slugs: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(slugs.map((slug) => slug.trim()).filter((slug) => slug !== "")),
]

/** The resources of these offerings that have reached the provider, in a settled order. */
export const resourceQuery = (slugs: ReadonlyArray<string>): Query => [
  // Comma-joined: of a repeated offering_slug Waldur obeys only the last.
  ["offering_slug", slugs.join(",")],
  ...providersOnly,
  ["o", "created"],
]

/**
 * Reads every resource of some offerings that is visible to providers.
 *
 * `order_in_progress` is large and slow (a hundred fields, which Waldur does not trim), and few resources have one. So
 * the pages leave it out, and a second list, read at the same time, has the resources with an order in progress; its
 * rows take the place of the others. Where Waldur does not know the filter `order_state`, the pages have it all.
 */
export const readResources = Effect.fn("WaldurClient.readResources")(function* (
  calls: WaldurCalls,
  { offeringSlugs, fields }: ResourceQuery,
): Effect.fn.Return<ResourceRead, WaldurError> {
  const slugs = usableSlugs(offeringSlugs)
  if (slugs.length === 0) return { rows: [], total: 0, reads: 1 }
  yield* Effect.annotateCurrentSpan({ offerings: slugs.join(",") })

  const allFields = [...new Set(["uuid", "offering_slug", ...fields])]
  const withoutOrder = allFields.filter((field) => field !== "order_in_progress")
  const wantsOrders = withoutOrder.length < allFields.length
  const [, inTwo] = yield* Effect.all(
    [requireOfferingFilter(calls), wantsOrders ? knowsOrderState(calls) : Effect.succeed(false)],
    { concurrency: 2 },
  )

  const query = resourceQuery(slugs)
  const list = (fields: ReadonlyArray<string>, filter: Query, belongs: (row: unknown) => boolean) =>
    readAllPages(calls, {
      path,
      query: [...query, ...filter],
      fields,
      confirm: confirmation(calls, fields, (row) => isOf(slugs, row) && belongs(row)),
    }).pipe(Effect.tap(({ rows }) => requireOfferings(calls, slugs, rows)))
  const noOrders: WholeList = { rows: [], total: 0, reads: 1 }
  const [resources, ordered] = yield* Effect.all(
    [
      list(inTwo ? withoutOrder : allFields, [], () => true),
      inTwo
        ? list(
            allFields,
            statesInProgress.map((state) => ["order_state", state] as const),
            hasOrder,
          )
        : Effect.succeed(noOrders),
    ],
    { concurrency: 2 },
  )
  return {
    rows: replaceRows(resources.rows, ordered.rows),
    total: resources.total,
    reads: Math.max(resources.reads, ordered.reads),
  }
})

/**
 * Fails with `WaldurTooOld` where Waldur does not obey the filter `offering_slug`: an unknown filter is ignored in
 * silence, which shows in a value that nothing can have and that still selects something.
 */
export const requireOfferingFilter = Effect.fnUntraced(function* (
  calls: WaldurCalls,
): Effect.fn.Return<void, WaldurError> {
  const count = yield* calls.count(path, [["offering_slug", impossible], ...providersOnly])
  if (count > 0) {
    return yield* new WaldurTooOld({
      apiUrl: calls.apiUrl,
      seen: `it ignores the filter offering_slug (a slug that no offering has selects ${count} resources)`,
    })
  }
})

/** Fails with `WaldurTooOld` where rows are of other offerings, or none says which it is of. */
export const requireOfferings = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  slugs: ReadonlyArray<string>,
  rows: ReadonlyArray<unknown>,
): Effect.fn.Return<void, WaldurError> {
  const found = rows.map(offeringSlugOf)
  const foreign = found.find((slug) => slug !== undefined && !slugs.includes(slug))
  if (foreign !== undefined) {
    return yield* new WaldurTooOld({
      apiUrl: calls.apiUrl,
      seen: `it ignores the filter offering_slug (asked for ${slugs.join(", ")}, it gives a resource of ${foreign})`,
    })
  }
  if (rows.length > 0 && found.every((slug) => slug === undefined)) {
    return yield* new WaldurTooOld({
      apiUrl: calls.apiUrl,
      seen: `none of its ${rows.length} resources has an offering_slug`,
    })
  }
})

/** Refused, or obeyed: then Waldur knows `order_state`. A filter that it does not know, it ignores. */
const knowsOrderState = (calls: WaldurCalls): Effect.Effect<boolean, WaldurError> =>
  calls.count(path, [["order_state", impossible], ...providersOnly]).pipe(
    Effect.map((count) => count === 0),
    Effect.catchIf(
      (error) => error._tag === "WaldurRejected" && error.status === 400,
      () => Effect.succeed(true),
    ),
  )

const confirmation =
  (calls: WaldurCalls, fields: ReadonlyArray<string>, belongs: (row: unknown) => boolean) => (key: string) =>
    calls.object(`${path}${key}/`, fieldQuery(fields), AnyObject).pipe(
      Effect.map((row) => Option.filter(Option.some<unknown>(row), belongs)),
      Effect.catchIf(
        (error) => error._tag === "WaldurRejected" && error.status === 404,
        () => Effect.succeed(Option.none<unknown>()),
      ),
    )

const decodeOffering = Schema.decodeUnknownOption(Schema.Struct({ offering_slug: Schema.NonEmptyString }))
const offeringSlugOf = (row: unknown): string | undefined => Option.getOrUndefined(decodeOffering(row))?.offering_slug

const isOf = (slugs: ReadonlyArray<string>, row: unknown) => slugs.includes(offeringSlugOf(row) ?? "")

const decodeOrder = Schema.decodeUnknownOption(Schema.Struct({ order_in_progress: AnyObject }))
const hasOrder = (row: unknown) => Option.isSome(decodeOrder(row))
