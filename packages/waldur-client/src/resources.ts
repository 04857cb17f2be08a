import { cooperatively } from "@cscs/http-transport"
import { Data, Effect, Option } from "effect"
import { readAllPages, type WholeList } from "./all-pages.ts"
import { AnyObject, type Count, fieldQuery, type Query, type WaldurCalls } from "./calls.ts"
import { replaceRows } from "./consistency.ts"
import { isBadRequest, refuses, type WaldurError, WaldurTooOld } from "./errors.ts"
import { isGone, isTooLarge, type Lean, noneIfTooLarge, tooLargeText } from "./pages.ts"
import { fieldOf, rowKey } from "./rows.ts"

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
   *
   * Rows of one uuid that differ are all there. A row of more than `maxPageBytes` comes without its objects, and with a text as
   * `attributes`; where even its texts are too large, with its uuid, offering and state, or as `null`.
   */
  readonly rows: ReadonlyArray<unknown>
  /** Waldur's own count of them. */
  readonly total: number
  /** How often the pages were read: 1 unless Waldur changed meanwhile, at most 4. */
  readonly reads: number
  /**
   * When the read began, by Waldur's own clock, in ms since 1970 (never later, perhaps a little earlier): `readChanges`
   * goes on from there. `undefined` where only full reads can be trusted: Waldur tells no time, or one that is ahead of
   * our clock; an answer came out of a cache; a uuid has several rows; Waldur cannot select what has changed since; or
   * there is no resource, which proves nothing of what it can select.
   */
  readonly asOf: number | undefined
}

/** The provider's list: the least token that reads it, a reader of the provider, sees nothing in the consumer's. */
export const path = "marketplace-provider-resources/"

/** States of an order that is neither done nor refused: Waldur then gives it as `order_in_progress`. */
const statesInProgress = ["pending-consumer", "pending-provider", "pending-project", "pending-start-date", "executing"]

/** Those that every Waldur has: if one of them is refused, `order_state` is not what it seems. */
const statesOfEveryWaldur = ["pending-provider", "executing"]

/** No slug and no state: Django makes slugs without underscores, and order states are fixed. */
const impossible = "__impossible__"

/**
 * Nothing was modified at or after it; written as the times that changes are asked for. Not the last year that there is: with
 * a zone added, Python knows no time.
 */
const farFuture = "2999-12-31T00:00:00.000Z"

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
  const wantsOrders = fieldsWithoutOrder.length < all.length
  return {
    slugs: usableSlugs(offeringSlugs),
    fields: wantsOrders ? [...new Set([...all, ...fieldsOfOrders])] : all,
    wantsOrders,
    fieldsWithoutOrder,
  }
}

const orderField = "order_in_progress"

/** What an order is judged by. Some Waldurs apply `field=` to nested objects too, so a list with orders asks for these. */
const fieldsOfOrders = ["url", "type", "state", "limits", "attributes"]

/** Objects, of any size: of a row that is too large they are left out, and what gives its path stays. */
const largeFields = ["attributes", "limits", "options", "backend_metadata", orderField]

/** What tells a row's path, where no fields were asked for and so all of them came. */
const protecting = [
  "uuid",
  "slug",
  "state",
  "created",
  "offering_uuid",
  "offering_slug",
  "provider_slug",
  "customer_uuid",
  "customer_slug",
  "project_uuid",
  "project_slug",
  "backend_id",
]

/** How a resource that is too large is read: marked so that it is bad data, whoever decodes it. */
export const leanResource = (calls: WaldurCalls, fields: ReadonlyArray<string>): Lean => ({
  fields: [
    fields.length === 0 ? protecting : fields.filter((field) => !largeFields.includes(field)),
    ["uuid", "offering_uuid", "offering_slug", "state"],
  ],
  mark: (row) =>
    typeof row === "object" && row !== null
      ? {
          ...row,
          attributes: tooLargeText(calls),
          ...(fields.includes(orderField) ? { [orderField]: tooLargeText(calls) } : {}),
        }
      : row,
})

/** Rows have it where they came by the list of resources with an order in progress, and nowhere else. */
export const cameWithOrder = (row: unknown): boolean => fieldOf(row, orderField) !== undefined

/** Reads a list of resources whole. No row has an order that is none. */
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
    lean: leanResource(calls, list.fields),
    mayBeEmpty: list.filter !== undefined,
    confirm: confirmation(calls, slugs, list.fields, list.belongs),
    onRows: list.onRows,
  }).pipe(
    // Whole objects, if `field` is refused, have it even if it was not asked for.
    Effect.map((read) => (read.rows.some(cameWithOrder) ? { ...read, rows: read.rows.map(withoutNoOrder) } : read)),
  )

/**
 * The resources with an order in progress, with all fields; none where the query does not ask for orders.
 *
 * A state that this Waldur refuses is left out: it has no order in it. Fails with `OrderStateUnusable` where it refuses
 * one that every Waldur has, or several at once.
 */
export const listWithOrders = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  { slugs, fields, wantsOrders }: Selected,
): Effect.fn.Return<WholeList, WaldurError | OrderStateUnusable> {
  if (!wantsOrders) return noList
  const { concessions } = calls
  const keyOf = (state: string) => `${path}?order_state=${state}`
  const inStates = (states: ReadonlyArray<string>) =>
    listResources(calls, slugs, {
      fields,
      filter: states.map((state) => ["order_state", state] as const),
      belongs: hasOrder,
    })
  const states = statesInProgress.filter((state) => !concessions.has(keyOf(state)))
  // Without a word on what it refuses, the states are what this list alone is asked for.
  const mayRefuseState = (error: WaldurError) => refuses("order_state")(error) || isUnnamed(error)
  return yield* Effect.catchIf(inStates(states), mayRefuseState, () =>
    Effect.gen(function* () {
      // The message names one of them, perhaps beside all that there are; so each is asked for alone.
      const isKnown = (state: string) =>
        calls.count(path, [["order_state", state], ...providersOnly]).pipe(
          Effect.as(true),
          Effect.catchIf(mayRefuseState, () => Effect.succeed(false)),
        )
      const known = yield* Effect.filter(states, isKnown, { concurrency: "unbounded" })
      const isUsable = known.length < states.length && statesOfEveryWaldur.every((state) => known.includes(state))
      if (!isUsable) return yield* new OrderStateUnusable({ isRefused: true })
      for (const state of states) {
        if (known.includes(state)) continue
        yield* concessions.make(
          keyOf(state),
          `Waldur does not know the order state ${state}: it is left out, for no order can be in it`,
        )
      }
      return yield* Effect.catchIf(inStates(known), mayRefuseState, () =>
        Effect.fail(new OrderStateUnusable({ isRefused: true })),
      )
    }),
  )
})

/** A 400 without the name of a parameter, as gateways and proxies give it. */
const isUnnamed = (error: WaldurError): boolean =>
  isBadRequest(error) && error._tag === "WaldurRejected" && (error.parameters ?? []).length === 0

const noList: WholeList = { rows: [], several: new Set(), total: 0, counted: true, reads: 1, cached: false }

/** Rows whose order is asked for one by one at most, per read: a page of them; each is a call. */
const maxOrdersAsked = 300

/** States that come of an order; it may have come between the list of the rows and that of the orders. */
const statesOfOrders = ["Creating", "Updating", "Terminating"]

/**
 * The rows, those asked for again whose state comes of an order but which came without one: read side by side, a row can be
 * younger than the orders. Served like that, a removal that nobody has agreed to yet would look as if it were to be done.
 *
 * @param several identities of several rows, which stay as they are: nobody knows whose the order is
 */
export const withOrdersOfTheirStates = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  selected: Selected,
  rows: ReadonlyArray<unknown>,
  several: ReadonlySet<string>,
): Effect.fn.Return<ReadonlyArray<unknown>, WaldurError> {
  const { slugs, fields, wantsOrders } = selected
  if (!wantsOrders) return rows
  const doubtful = new Set<string>()
  yield* cooperatively(rows, (row) => {
    if (cameWithOrder(row) || !isOneOf(statesOfOrders, fieldOf(row, "state"))) return
    const key = rowKey(row)
    if (key !== undefined && !several.has(key)) doubtful.add(key)
  })
  if (doubtful.size === 0) return rows
  const filter = statesOfOrders.map((state) => ["state", state] as const)
  const listed = yield* listResources(calls, slugs, { fields, filter }).pipe(
    Effect.catchIf(refuses("state"), () =>
      Effect.andThen(
        calls.concessions.make(`${path}?state`, `Waldur refuses the parameter state of ${path}: it is left out`),
        listResources(calls, slugs, { fields }),
      ),
    ),
  )
  const settled = listed.rows.filter((row) => doubtful.delete(rowKey(row) ?? ""))
  // Those that left these states meanwhile, or are gone. What is not asked for stays without an order.
  const asked = [...doubtful].slice(0, maxOrdersAsked)
  if (asked.length < doubtful.size) {
    yield* Effect.logWarning(
      `${doubtful.size} resources are in states that come of an order and are in no list of them; ${asked.length} of them are asked for, the others stay without an order`,
    )
  }
  const moved = yield* Effect.forEach(asked, confirmation(calls, slugs, fields), { concurrency: "unbounded" })
  const gone = new Set(asked.filter((_, index) => Option.isNone(moved[index] ?? Option.none())))
  const there = yield* replaceRows(rows, [...settled, ...moved.flatMap(Option.toArray)].map(asListed(selected)))
  return gone.size === 0 ? there : there.filter((row) => !gone.has(rowKey(row) ?? ""))
})

/** Rows have `order_in_progress` only where the list of orders would have them: where there is one, in a state of those. */
export const withoutNoOrder = (row: unknown): unknown => {
  const state = fieldOf(fieldOf(row, orderField), "state")
  // An order without its state stays: Waldur gives it as one in progress, and the model warns of what it lacks.
  const isInProgress = isOneOf(statesInProgress, state) || (state === undefined && hasOrder(row))
  if (isInProgress || !cameWithOrder(row)) return row
  const { [orderField]: _, ...rest } = row as Readonly<Record<string, unknown>>
  return rest
}

/**
 * A row that was asked for with the fields of orders, as the lists have it: without order, it has none of the fields that
 * are asked for the order's sake alone.
 */
export const asListed =
  ({ fields, fieldsWithoutOrder }: Selected) =>
  (row: unknown): unknown => {
    const there = withoutNoOrder(row)
    const isPlain = typeof there === "object" && there !== null && !cameWithOrder(there)
    const forOrders = fields.filter((field) => !fieldsWithoutOrder.includes(field))
    return isPlain ? Object.fromEntries(Object.entries(there).filter(([name]) => !forOrders.includes(name))) : there
  }

/** A value from outside is compared, never made a text of: an object may say how that is done. */
const isOneOf = (texts: ReadonlyArray<string>, value: unknown): boolean =>
  typeof value === "string" && texts.includes(value)

/** Found while the two lists were read: the second is no list of orders, and the first lacks them. */
export class OrderStateUnusable extends Data.TaggedError("OrderStateUnusable")<{
  /** Otherwise the filter is ignored. */
  readonly isRefused: boolean
}> {}

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

  yield* calls.concessions.reset
  // Asked for first, so that `askedAt` is before every list.
  const probes = [requireOfferingFilter(calls), knowsModifiedSince(calls)] as const
  const plain = (fields: ReadonlyArray<string>) =>
    listResources(calls, slugs, { fields, onRows: query.onRows }).pipe(
      Effect.tap(({ rows }) => requireOfferings(calls, slugs, rows)),
    )
  const inTwo = Effect.gen(function* () {
    const [{ askedAt, isCounted }, knowsModified, , resources, ordered] = yield* Effect.all(
      [
        ...probes,
        wantsOrders ? requireOrderState(calls) : Effect.void,
        plain(selected.fieldsWithoutOrder),
        listWithOrders(calls, selected),
      ],
      { concurrency: "unbounded" },
    )
    const several = new Set([...resources.several, ...ordered.several])
    const merged = yield* replaceRows(resources.rows, ordered.rows, several)
    const canBeCounted = isCounted && resources.counted && ordered.counted
    const canGoOn =
      knowsModified && canBeCounted && resources.total > 0 && several.size === 0 && !resources.cached && !ordered.cached
    return {
      rows: yield* withOrdersOfTheirStates(calls, selected, merged, several),
      total: resources.total,
      reads: Math.max(resources.reads, ordered.reads),
      asOf: canGoOn ? askedAt : undefined,
    }
  })
  const inOne = Effect.map(
    Effect.all([requireOfferingFilter(calls), plain(selected.fields)], { concurrency: "unbounded" }),
    ([, { rows, total, reads }]): ResourceRead => ({ rows, total, reads, asOf: undefined }),
  )
  return yield* Effect.catchTag(inTwo, "OrderStateUnusable", ({ isRefused }) =>
    Effect.andThen(
      isRefused
        ? calls.concessions.make(
            `${path}?order_state`,
            `Waldur refuses the parameter order_state of ${path}: orders are read with all resources, and each refresh reads all`,
          )
        : Effect.void,
      inOne,
    ),
  )
})

/** Whether changes can be asked for. A Waldur that takes a date only, or does not know the filter, is read in full each time. */
const knowsModifiedSince = (calls: WaldurCalls): Effect.Effect<boolean, WaldurError> =>
  Effect.catchIf(
    obeys(calls, "modified", farFuture),
    (error) => refuses("modified")(error) || isUnnamed(error),
    () =>
      Effect.as(
        calls.concessions.make(
          `${path}?modified`,
          `Waldur refuses times in the parameter modified of ${path}: each refresh reads all`,
        ),
        false,
      ),
  )

/**
 * Fails with `WaldurTooOld` where Waldur does not obey the filter `offering_slug`: an unknown filter is ignored in
 * silence, which shows in a value that nothing can have and that still selects something.
 */
export const requireOfferingFilter = Effect.fnUntraced(function* (
  calls: WaldurCalls,
): Effect.fn.Return<Count, WaldurError> {
  // A Waldur that refuses a slug that nothing has knows the filter.
  const count = yield* Effect.catchIf(
    calls.count(path, [["offering_slug", impossible], ...providersOnly]),
    refuses("offering_slug"),
    () => Effect.succeed<Count>({ total: 0, isCounted: false, askedAt: undefined }),
  )
  if (count.total > 0) {
    return yield* new WaldurTooOld({
      apiUrl: calls.apiUrl,
      seen: `it ignores the filter offering_slug (a slug that no offering has selects ${count.total} resources)`,
    })
  }
  return count
})

/**
 * Fails with `WaldurTooOld` where there are rows and none is of an offering that was asked for. A row of another one among
 * those is that row's own matter: whoever decodes it refuses it.
 */
export const requireOfferings = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  slugs: ReadonlyArray<string>,
  rows: ReadonlyArray<unknown>,
): Effect.fn.Return<void, WaldurError> {
  if (rows.length === 0 || rows.some(isOfOffering(slugs))) return
  const seen = rows.some((row) => offeringSlugOf(row) !== undefined)
    ? `it ignores the filter offering_slug (asked for ${slugs.join(", ")}, it gives ${rows.length} resources, none of them of these)`
    : `none of its ${rows.length} resources has an offering_slug`
  return yield* new WaldurTooOld({ apiUrl: calls.apiUrl, seen })
})

const requireOrderState = Effect.fnUntraced(function* (
  calls: WaldurCalls,
): Effect.fn.Return<void, WaldurError | OrderStateUnusable> {
  // A refusal of a value that is none is what a Waldur that knows the filter gives.
  const isKnown = yield* Effect.catchIf(
    obeys(calls, "order_state", impossible, { isRefusalEnough: true }),
    isBadRequest,
    () => Effect.succeed(true),
  )
  if (!isKnown) return yield* new OrderStateUnusable({ isRefused: false })
})

/** Whether Waldur obeys a filter, by a value that selects nothing; a filter that it does not know, it ignores. */
const obeys = (
  calls: WaldurCalls,
  filter: string,
  value: string,
  options: Parameters<WaldurCalls["count"]>[2] = {},
): Effect.Effect<boolean, WaldurError> =>
  Effect.map(calls.count(path, [[filter, value], ...providersOnly], options), ({ total }) => total === 0)

/**
 * Asks for one resource by its uuid: none where it is gone, is of another offering, or does not belong. One that is too
 * large comes with few fields, in the end with its uuid alone.
 */
export const confirmation =
  (
    calls: WaldurCalls,
    slugs: ReadonlyArray<string>,
    fields: ReadonlyArray<string>,
    belongs: (row: unknown) => boolean = () => true,
  ) =>
  (key: string): Effect.Effect<Option.Option<unknown>, WaldurError> => {
    const ask = (some: ReadonlyArray<string>) => calls.object(`${path}${key}/`, fieldQuery(some), AnyObject)
    const lean = leanResource(calls, fields)
    const withFew = Effect.gen(function* () {
      for (const few of lean.fields) {
        const row = yield* ask(few).pipe(Effect.asSome, noneIfTooLarge)
        if (Option.isSome(row)) return Option.map(Option.filter(row, isOfOffering(slugs)), lean.mark)
      }
      return Option.some(lean.mark({ uuid: key }))
    })
    return ask(fields).pipe(
      Effect.map(
        (row): Option.Option<unknown> => (isOfOffering(slugs)(row) && belongs(row) ? Option.some(row) : Option.none()),
      ),
      Effect.catchIf(isTooLarge, () => withFew),
      Effect.catchIf(isGone, () => Effect.succeed(Option.none<unknown>())),
    )
  }

const offeringSlugOf = (row: unknown): string | undefined => {
  const slug = fieldOf(row, "offering_slug")
  return typeof slug === "string" && slug !== "" ? slug : undefined
}

/** Whether a row is of one of these offerings. */
export const isOfOffering =
  (slugs: ReadonlyArray<string>) =>
  (row: unknown): boolean =>
    slugs.includes(offeringSlugOf(row) ?? "")

const hasOrder = (row: unknown): boolean => {
  const order = fieldOf(row, orderField)
  return typeof order === "object" && order !== null && !Array.isArray(order)
}
