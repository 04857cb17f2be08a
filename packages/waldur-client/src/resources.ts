import { Data, Effect, Option } from "effect"
import { readAllPages, type WholeList } from "./all-pages.ts"
import { AnyObject, type Count, fieldQuery, type Query, type WaldurCalls } from "./calls.ts"
import { replaceRows } from "./consistency.ts"
import { type WaldurError, WaldurTooOld } from "./errors.ts"
import { fieldOf, inTurns, rowKey } from "./rows.ts"

/** Which resources are wanted, and what of them. */
export interface ResourceQuery {
  /** Slugs of the offerings whose resources are wanted, none with a comma. None at all gives no resource. */
  readonly offeringSlugs: ReadonlyArray<string>
  /** Fields of a resource, as Waldur names them. `uuid` and `offering_slug` always come too. */
  readonly fields: ReadonlyArray<string>
  /**
   * `readResources` tells it the rows of each page as they come, before they are judged, and of reads that are discarded
   * too: a hint for reading ahead, never the truth. Rows of the list of orders in progress are not told. It runs beside
   * the read and may outlive it; its failures are logged as warnings and change nothing.
   */
  readonly onRows?: (rows: ReadonlyArray<unknown>) => Effect.Effect<void>
}

/** All resources that a query selects. */
export interface ResourceRead {
  /**
   * Each resource once, as Waldur sent it, undecoded: so that a bad one costs no other its place. In Waldur's order
   * (`created`), but for those that appeared while it was read, or since the last full read, which come last.
   */
  readonly rows: ReadonlyArray<unknown>
  /** Waldur's own count of them. */
  readonly total: number
  /** How often the pages were read: 1 unless Waldur changed meanwhile, at most 4. */
  readonly reads: number
  /**
   * When the read began, by Waldur's own clock, in ms since 1970 (never later, perhaps a little earlier): `readChanges`
   * goes on from there. `undefined` where Waldur tells no time or cannot select what has changed since, or where there
   * is no resource, which proves nothing of what it can select.
   */
  readonly asOf: number | undefined
}

export const path = "marketplace-resources/"

/** States of an order that is neither done nor refused: Waldur then gives it as `order_in_progress`. */
const statesInProgress = ["pending-consumer", "pending-provider", "pending-project", "pending-start-date", "executing"]

/** No slug and no state: Django makes slugs without underscores, and order states are fixed. */
const impossible = "__impossible__"

/** Nothing was modified at or after it. Not the last year that there is: with a zone added, Python knows no time. */
const farFuture = "2999-12-31T00:00:00Z"

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

/** What a query comes to. */
export interface Selected {
  readonly slugs: ReadonlyArray<string>
  /** Those of a resource with an order in progress. */
  readonly fields: ReadonlyArray<string>
  readonly wantsOrders: boolean
  /** Those of the pages where the orders come by a list of their own. */
  readonly fieldsWithoutOrder: ReadonlyArray<string>
}

export const selectedBy = ({ offeringSlugs, fields }: ResourceQuery): Selected => {
  const all = [...new Set(["uuid", "offering_slug", ...fields])]
  const fieldsWithoutOrder = all.filter((field) => field !== orderField)
  return {
    slugs: usableSlugs(offeringSlugs),
    fields: all,
    wantsOrders: fieldsWithoutOrder.length < all.length,
    fieldsWithoutOrder,
  }
}

const orderField = "order_in_progress"

/** Rows have it where they came by the list of resources with an order in progress, and nowhere else. */
export const cameWithOrder = (row: unknown): boolean => fieldOf(row, orderField) !== undefined

/** Reads a list of resources whole. Fails with `WaldurTooOld` where one is of an offering that was not asked for. */
export const listResources = (
  calls: WaldurCalls,
  slugs: ReadonlyArray<string>,
  list: {
    readonly fields: ReadonlyArray<string>
    readonly filter?: Query
    readonly belongs?: (row: unknown) => boolean
    readonly onRows?: ResourceQuery["onRows"]
  },
): Effect.Effect<WholeList, WaldurError> =>
  readAllPages(calls, {
    path,
    query: [...resourceQuery(slugs), ...(list.filter ?? [])],
    fields: list.fields,
    confirm: confirmation(calls, slugs, list.fields, list.belongs),
    onRows: list.onRows,
  }).pipe(Effect.tap(({ rows }) => requireNoForeign(calls, slugs, rows)))

/** The resources with an order in progress, with all fields; none where the query does not ask for orders. */
export const listWithOrders = (
  calls: WaldurCalls,
  { slugs, fields, wantsOrders }: Selected,
): Effect.Effect<WholeList, WaldurError> =>
  wantsOrders
    ? listResources(calls, slugs, {
        fields,
        filter: statesInProgress.map((state) => ["order_state", state] as const),
        belongs: hasOrder,
      })
    : Effect.succeed({ rows: [], total: 0, reads: 1 })

/** States that come of an order; it may have come between the list of the rows and that of the orders. */
const statesOfOrders = ["Creating", "Updating", "Terminating"]

/**
 * The rows, those asked for again whose state comes of an order but which came without one: read side by side, a row can be
 * younger than the orders. Served like that, a removal that nobody has agreed to yet would look as if it were to be done.
 */
export const withOrdersOfTheirStates = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  { slugs, fields, wantsOrders }: Selected,
  rows: ReadonlyArray<unknown>,
): Effect.fn.Return<ReadonlyArray<unknown>, WaldurError> {
  if (!wantsOrders) return rows
  const doubtful = new Set<string | undefined>()
  yield* inTurns(rows, (row) => {
    if (!cameWithOrder(row) && statesOfOrders.includes(String(fieldOf(row, "state")))) doubtful.add(rowKey(row))
  })
  doubtful.delete(undefined)
  if (doubtful.size === 0) return rows
  const filter = statesOfOrders.map((state) => ["state", state] as const)
  const listed = yield* listResources(calls, slugs, { fields, filter })
  const settled = listed.rows.filter((row) => doubtful.delete(rowKey(row)))
  // Those that left these states meanwhile, or are gone.
  const moved = yield* Effect.forEach(doubtful as Set<string>, confirmation(calls, slugs, fields), {
    concurrency: "unbounded",
  })
  const gone = [...doubtful].filter((_, index) => Option.isNone(moved[index] ?? Option.none()))
  const there = yield* replaceRows(rows, [...settled, ...moved.flatMap(Option.toArray)].map(withoutNoOrder))
  return gone.length === 0 ? there : there.filter((row) => !gone.includes(rowKey(row)))
})

/** Rows have `order_in_progress` only where the list of orders would have them: where there is one, in a state of those. */
export const withoutNoOrder = (row: unknown): unknown => {
  const isInProgress = statesInProgress.includes(String(fieldOf(fieldOf(row, orderField), "state")))
  if (isInProgress || !cameWithOrder(row)) return row
  const { [orderField]: _, ...rest } = row as Readonly<Record<string, unknown>>
  return rest
}

/** Found while the two lists were read: the second is no list of orders, and the first lacks them. */
class OrderStateUnknown extends Data.TaggedError("OrderStateUnknown") {}

/**
 * Reads every resource of some offerings that is visible to providers.
 *
 * `order_in_progress` is large and slow (a hundred fields, which Waldur does not trim), and few resources have one. So
 * the pages leave it out, and a second list, read at the same time, has the resources with an order in progress; its
 * rows take the place of the others. Where Waldur does not know the filter `order_state`, the pages have it all.
 *
 * What Waldur can do is asked beside the lists, and judged before they are used.
 */
export const readResources = Effect.fn("WaldurClient.readResources")(function* (
  calls: WaldurCalls,
  query: ResourceQuery,
): Effect.fn.Return<ResourceRead, WaldurError> {
  const selected = selectedBy(query)
  const { slugs, wantsOrders } = selected
  if (slugs.length === 0) return { rows: [], total: 0, reads: 1, asOf: undefined }
  yield* Effect.annotateCurrentSpan({ offerings: slugs.join(",") })

  // Asked for first, so that `askedAt` is before every list.
  const probes = [requireOfferingFilter(calls), obeys(calls, "modified", farFuture, false)] as const
  const plain = (fields: ReadonlyArray<string>) =>
    listResources(calls, slugs, { fields, onRows: query.onRows }).pipe(
      Effect.tap(({ rows }) => requireOfferingNamed(calls, rows)),
    )
  const inTwo = Effect.gen(function* () {
    const [{ askedAt }, knowsModified, , resources, ordered] = yield* Effect.all(
      [
        ...probes,
        wantsOrders ? requireOrderState(calls) : Effect.void,
        plain(selected.fieldsWithoutOrder),
        listWithOrders(calls, selected),
      ],
      { concurrency: "unbounded" },
    )
    return {
      rows: yield* withOrdersOfTheirStates(calls, selected, yield* replaceRows(resources.rows, ordered.rows)),
      total: resources.total,
      reads: Math.max(resources.reads, ordered.reads),
      asOf: knowsModified && resources.total > 0 ? askedAt : undefined,
    }
  })
  const inOne = Effect.map(
    Effect.all([requireOfferingFilter(calls), plain(selected.fields)], { concurrency: "unbounded" }),
    ([, { rows, total, reads }]): ResourceRead => ({ rows, total, reads, asOf: undefined }),
  )
  return yield* Effect.catchTag(inTwo, "OrderStateUnknown", () => inOne)
})

/**
 * Fails with `WaldurTooOld` where Waldur does not obey the filter `offering_slug`: an unknown filter is ignored in
 * silence, which shows in a value that nothing can have and that still selects something.
 */
export const requireOfferingFilter = Effect.fnUntraced(function* (
  calls: WaldurCalls,
): Effect.fn.Return<Count, WaldurError> {
  const count = yield* calls.count(path, [["offering_slug", impossible], ...providersOnly])
  if (count.total > 0) {
    return yield* new WaldurTooOld({
      apiUrl: calls.apiUrl,
      seen: `it ignores the filter offering_slug (a slug that no offering has selects ${count.total} resources)`,
    })
  }
  return count
})

/** Fails with `WaldurTooOld` where rows are of other offerings, or none says which it is of. */
export const requireOfferings = (calls: WaldurCalls, slugs: ReadonlyArray<string>, rows: ReadonlyArray<unknown>) =>
  Effect.andThen(requireNoForeign(calls, slugs, rows), requireOfferingNamed(calls, rows))

/** Fails with `WaldurTooOld` where a row is of another offering. */
const requireNoForeign = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  slugs: ReadonlyArray<string>,
  rows: ReadonlyArray<unknown>,
): Effect.fn.Return<void, WaldurError> {
  const asked = new Set(slugs)
  let foreign: string | undefined
  yield* inTurns(rows, (row) => {
    const slug = offeringSlugOf(row)
    if (slug !== undefined && !asked.has(slug)) foreign ??= slug
  })
  if (foreign !== undefined) {
    return yield* new WaldurTooOld({
      apiUrl: calls.apiUrl,
      seen: `it ignores the filter offering_slug (asked for ${slugs.join(", ")}, it gives a resource of ${foreign})`,
    })
  }
})

/** Fails with `WaldurTooOld` where there are rows and none says which offering it is of. */
const requireOfferingNamed = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  rows: ReadonlyArray<unknown>,
): Effect.fn.Return<void, WaldurError> {
  if (rows.length > 0 && !rows.some(namesOffering)) {
    return yield* new WaldurTooOld({
      apiUrl: calls.apiUrl,
      seen: `none of its ${rows.length} resources has an offering_slug`,
    })
  }
})

const requireOrderState = Effect.fnUntraced(function* (
  calls: WaldurCalls,
): Effect.fn.Return<void, WaldurError | OrderStateUnknown> {
  if (!(yield* obeys(calls, "order_state", impossible, true))) return yield* new OrderStateUnknown()
})

/**
 * Whether Waldur obeys a filter, by a value that selects nothing; a filter that it does not know, it ignores.
 *
 * @param refused what a refusal (400) of the value means
 */
const obeys = (calls: WaldurCalls, filter: string, value: string, refused: boolean) =>
  calls.count(path, [[filter, value], ...providersOnly]).pipe(
    Effect.map(({ total }) => total === 0),
    Effect.catchIf(
      (error) => error._tag === "WaldurRejected" && error.status === 400,
      () => Effect.succeed(refused),
    ),
  )

/** Asks for one resource by its uuid: none where it is gone, is of another offering, or does not belong. */
export const confirmation =
  (
    calls: WaldurCalls,
    slugs: ReadonlyArray<string>,
    fields: ReadonlyArray<string>,
    belongs: (row: unknown) => boolean = () => true,
  ) =>
  (key: string) =>
    calls.object(`${path}${key}/`, fieldQuery(fields), AnyObject).pipe(
      Effect.map((row) =>
        Option.filter(Option.some<unknown>(row), () => slugs.includes(offeringSlugOf(row) ?? "") && belongs(row)),
      ),
      Effect.catchIf(
        (error) => error._tag === "WaldurRejected" && error.status === 404,
        () => Effect.succeed(Option.none<unknown>()),
      ),
    )

const offeringSlugOf = (row: unknown): string | undefined => {
  const slug = fieldOf(row, "offering_slug")
  return typeof slug === "string" && slug !== "" ? slug : undefined
}

/** Whether a row says which offering it is of. */
export const namesOffering = (row: unknown): boolean => offeringSlugOf(row) !== undefined

const hasOrder = (row: unknown): boolean => {
  const order = fieldOf(row, orderField)
  return typeof order === "object" && order !== null && !Array.isArray(order)
}
