/** Full reads of a provider's resources, with their orders in progress. */
import { cooperatively } from "@cscs/http-transport"
import { Data, Effect, Option } from "effect"
import { readAllPages, type WholeList } from "./all-pages.ts"
import { AnyObject, type Count, fieldQuery, type Query, type WaldurCalls } from "./calls.ts"
import { replaceRows } from "./consistency.ts"
import { isBadRequest, refuses, type WaldurError, WaldurTooOld } from "./errors.ts"
import { keepPages, recognising, withKnownRows } from "./known.ts"
import { isGone, isTooLarge, type Lean, noneIfTooLarge, tooLargeText } from "./pages.ts"
import { cameWithOrder, fieldOf, orderField, rowKey } from "./rows.ts"

/** Selects resources and their fields. */
export interface ResourceQuery {
  /** Slugs of the offerings, without commas. An empty list selects no resources. */
  readonly offeringSlugs: ReadonlyArray<string>
  /** Waldur's names of the fields. `uuid` and `offering_slug` are always included. */
  readonly fields: ReadonlyArray<string>
  /**
   * Receives the rows of each page as they arrive in `readResources`, unchecked and also from discarded reads: a hint for
   * prefetching, not a result. Rows of the list of orders in progress are not included. It runs concurrently with the read and
   * may outlive it; its failures are logged as warnings and have no other effect.
   */
  readonly onRows?: (rows: ReadonlyArray<unknown>) => Effect.Effect<void>
}

/** All resources that a query selects. */
export interface ResourceRead {
  /**
   * Each resource once, unchanged and undecoded, so that an invalid one does not affect others. In Waldur's order
   * (`created`), except that resources that appeared during the read, or since the last full read, come last.
   *
   * After a read with a `last`, a row whose content is the same as in `last.rows` is the same object (`===`), and if nothing
   * differs `rows` is `last.rows` itself. After `readChanges` every row also stays at its position, changed or not, and new
   * ones come last; after a full read positions may differ. Two kinds of rows may be equal but new objects after a full
   * read: those without a usable uuid and those that share one, unless they are at the same position. So may a row that is
   * nested too deeply to compare, after any read. Rows must not be modified.
   *
   * The list also carries what makes the next read cheap, so pass on the read, or at least this list, rather than a copy.
   *
   * Different rows with the same uuid are all included. A row of more than `maxPageBytes` lacks its objects and has a
   * string as `attributes`; if even its strings are too large, it has its uuid, offering and state only, or is `null`.
   */
  readonly rows: ReadonlyArray<unknown>
  /** Waldur's own count of them. */
  readonly total: number
  /** How often the pages were read: 1 unless Waldur changed during the read, at most 4. */
  readonly reads: number
  /**
   * When the read began, by Waldur's own clock, in ms since 1970 (not later, perhaps slightly earlier); `readChanges`
   * continues from there. `undefined` if only full reads are reliable: Waldur returns no time, or one ahead of our clock; a
   * response came from a cache; a uuid has several rows; Waldur cannot filter by modification time; or there are no
   * resources, so that its filters cannot be verified.
   */
  readonly asOf: number | undefined
}

/** The provider's list. A token with the least role for it, a reader of the provider, sees nothing in the consumer's list. */
export const path = "marketplace-provider-resources/"

/** States of an order that has not ended; Waldur returns such an order as `order_in_progress`. */
const statesInProgress = ["pending-consumer", "pending-provider", "pending-project", "pending-start-date", "executing"]

/** States that every Waldur knows: if one of them is refused, the filter `order_state` is unusable. */
const statesOfEveryWaldur = ["pending-provider", "executing"]

/** Never a slug or a state: Django's slugs do not begin with underscores, and order states are fixed. */
const impossible = "__impossible__"

/**
 * Nothing was modified at or after this time; in the format used for reading changes. Not the year 9999, which overflows in
 * Python when a zone is applied.
 */
const farFuture = "2999-12-31T00:00:00.000Z"

const providersOnly: Query = [["visible_to_providers", "true"]]

/** Without blank slugs: Waldur ignores an empty filter and would return the resources of all offerings. */
export const usableSlugs = (slugs: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(slugs.map((slug) => slug.trim()).filter((slug) => slug !== "")),
]

/** The resources of these offerings that have reached the provider, in a defined order. */
export const resourceQuery = (slugs: ReadonlyArray<string>): Query => [
  // Joined by commas: if offering_slug is repeated, Waldur uses only the last.
  ["offering_slug", slugs.join(",")],
  ...providersOnly,
  ["o", "created"],
]

/** A query, resolved to slugs and fields. */
export interface Selected {
  readonly slugs: ReadonlyArray<string>
  /** The fields of resources with an order in progress. */
  readonly fields: ReadonlyArray<string>
  readonly wantsOrders: boolean
  /** The fields of the pages if the orders are read by a separate list. */
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

/** The fields of an order. Some Waldur versions apply `field=` to nested objects too, so a list with orders requests them. */
const fieldsOfOrders = ["url", "type", "state", "limits", "attributes"]

/** Objects of unlimited size: omitted from a row that is too large, while the fields that determine its path stay. */
const largeFields = ["attributes", "limits", "options", "backend_metadata", orderField]

/** The fields that determine a row's path, for a query of all fields. */
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

/** How to read a resource that is too large: marked, so that decoding it reports bad data. */
export const leanResource = (calls: WaldurCalls, fields: ReadonlyArray<string>): Lean => ({
  fields: [
    fields.length === 0 ? protecting : fields.filter((field) => !largeFields.includes(field)),
    ["uuid", "offering_uuid", "offering_slug", "state"],
  ],
  mark: (row) => (typeof row === "object" && row !== null ? { ...row, attributes: tooLargeText(calls) } : row),
})

/** Reads a list of resources completely. Rows have `order_in_progress` only if it is an order in progress. */
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
    // If `field` is refused, whole objects have it even if it was not requested.
    Effect.map((read) => (read.rows.some(cameWithOrder) ? { ...read, rows: read.rows.map(withoutNoOrder) } : read)),
  )

/**
 * The resources with an order in progress, with all fields; an empty list if the query does not request orders.
 *
 * A state that this Waldur refuses is omitted, since no order can be in it. Fails with `OrderStateUnusable` if Waldur
 * refuses a state that every Waldur knows, or the combination of several.
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
  // A refusal without a name can only concern the states, which no other list has.
  const mayRefuseState = (error: WaldurError) => refuses("order_state")(error) || isUnnamed(error)
  return yield* Effect.catchIf(inStates(states), mayRefuseState, () =>
    Effect.gen(function* () {
      // The message may name one refused state next to all valid ones, so each state is tested alone.
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
          `Waldur does not know the order state ${state}: it is omitted, since no order can be in it`,
        )
      }
      return yield* Effect.catchIf(inStates(known), mayRefuseState, () =>
        Effect.fail(new OrderStateUnusable({ isRefused: true })),
      )
    }),
  )
})

/** A 400 that names no parameter, as from a gateway or proxy. */
const isUnnamed = (error: WaldurError): boolean =>
  isBadRequest(error) && error._tag === "WaldurRejected" && (error.parameters ?? []).length === 0

const noList: WholeList = { rows: [], pages: [], several: new Set(), total: 0, counted: true, reads: 1, cached: false }

/** Maximum number of rows per read whose order is looked up individually; each is a call. */
const maxOrdersAsked = 300

/** States caused by an order, which may have been created between the reads of the two lists. */
const statesOfOrders = ["Creating", "Updating", "Terminating"]

/**
 * The rows, after re-reading those whose state is caused by an order but that have none: with concurrent reads a row can be
 * newer than the list of orders. Otherwise a removal that is not approved yet would look like one to be carried out.
 *
 * @param several identities with several rows, which stay unchanged since it is unknown which one has the order
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
        calls.concessions.make(`${path}?state`, `Waldur refuses the parameter state of ${path}: it is omitted`),
        listResources(calls, slugs, { fields }),
      ),
    ),
  )
  const settled = listed.rows.filter((row) => doubtful.delete(rowKey(row) ?? ""))
  // Those that have left these states meanwhile, or are gone. Rows beyond the limit stay without an order.
  const asked = [...doubtful].slice(0, maxOrdersAsked)
  if (asked.length < doubtful.size) {
    yield* Effect.logWarning(
      `${doubtful.size} resources are in states caused by an order, but in no list of orders; ${asked.length} of them are looked up, the others stay without an order`,
    ).pipe(Effect.annotateLogs({ event: "waldur-orders-unread", resources: doubtful.size }))
  }
  const moved = yield* Effect.forEach(asked, confirmation(calls, slugs, fields), { concurrency: "unbounded" })
  const gone = new Set(asked.filter((_, index) => Option.isNone(moved[index] ?? Option.none())))
  const there = yield* replaceRows(rows, [...settled, ...moved.flatMap(Option.toArray)].map(asListed(selected)))
  return gone.size === 0 ? there : there.filter((row) => !gone.has(rowKey(row) ?? ""))
})

/** Removes `order_in_progress` unless it is an order in one of the states in progress, as in the list of orders. */
const withoutNoOrder = (row: unknown): unknown => {
  const state = fieldOf(fieldOf(row, orderField), "state")
  // An order without a state stays: Waldur returns it as one in progress, and the model warns about it.
  const isInProgress = isOneOf(statesInProgress, state) || (state === undefined && hasOrder(row))
  if (isInProgress || !cameWithOrder(row)) return row
  const { [orderField]: _, ...rest } = row as Readonly<Record<string, unknown>>
  return rest
}

/**
 * Converts a row that was read with the fields of orders to the form in the lists: without an order, it lacks the fields
 * that are requested only for orders.
 */
export const asListed =
  ({ fields, fieldsWithoutOrder }: Selected) =>
  (row: unknown): unknown => {
    const there = withoutNoOrder(row)
    const isPlain = typeof there === "object" && there !== null && !cameWithOrder(there)
    const forOrders = fields.filter((field) => !fieldsWithoutOrder.includes(field))
    return isPlain ? Object.fromEntries(Object.entries(there).filter(([name]) => !forOrders.includes(name))) : there
  }

/** Compares an external value without converting it to a string, which an object could override. */
const isOneOf = (texts: ReadonlyArray<string>, value: unknown): boolean =>
  typeof value === "string" && texts.includes(value)

/** The filter `order_state` does not work, so the two lists cannot be used. */
export class OrderStateUnusable extends Data.TaggedError("OrderStateUnusable")<{
  /** Whether Waldur refuses the filter; otherwise it ignores it. */
  readonly isRefused: boolean
}> {}

/**
 * Reads every resource of some offerings that is visible to providers.
 *
 * `order_in_progress` is large and slow (a hundred fields, which Waldur does not trim), and few resources have one. So the
 * pages omit it, and a second list, read concurrently, contains the resources with an order in progress; its rows replace
 * the others. If Waldur does not know the filter `order_state`, the pages include the field.
 *
 * Waldur's filters are tested concurrently with the lists, and the results are checked before the lists are used.
 */
export const readResources = Effect.fn("WaldurClient.readResources")(function* (
  givenCalls: WaldurCalls,
  query: ResourceQuery,
  last?: ResourceRead,
): Effect.fn.Return<ResourceRead, WaldurError> {
  const selected = selectedBy(query)
  const { slugs, wantsOrders } = selected
  if (slugs.length === 0) return { rows: [], total: 0, reads: 1, asOf: undefined }
  yield* Effect.annotateCurrentSpan({ offerings: slugs.join(",") })

  yield* givenCalls.concessions.reset
  const before = last?.rows ?? []
  const calls = yield* recognising(givenCalls, before)
  // Sent first, so that `askedAt` is before every list.
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
    // Equal rows of one uuid are counted, but returned once: a deletion would make up for them in the count.
    const isEachOnce = several.size === 0 && resources.rows.length >= resources.total
    const canGoOn =
      knowsModified && canBeCounted && resources.total > 0 && isEachOnce && !resources.cached && !ordered.cached
    return {
      rows: yield* withOrdersOfTheirStates(calls, selected, merged, several),
      total: resources.total,
      reads: Math.max(resources.reads, ordered.reads),
      asOf: canGoOn ? askedAt : undefined,
      several,
      pages: { all: resources, recent: [ordered] },
    }
  })
  const inOne = Effect.map(
    Effect.all([requireOfferingFilter(calls), plain(selected.fields)], { concurrency: "unbounded" }),
    ([, list]) => ({ ...list, asOf: undefined, pages: { all: list, recent: [] } }),
  )
  const { several, pages, ...read } = yield* Effect.catchTag(inTwo, "OrderStateUnusable", ({ isRefused }) =>
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
  const rows = last === undefined ? read.rows : yield* withKnownRows(read.rows, several, before)
  keepPages(rows, before, pages)
  return { rows, total: read.total, reads: read.reads, asOf: read.asOf }
})

/** Whether changes can be read. A Waldur that accepts only a date, or does not know the filter, is read in full each time. */
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
 * Fails with `WaldurTooOld` if Waldur does not apply the filter `offering_slug`. Unknown filters are silently ignored, which
 * is detected by an impossible value that still selects something.
 */
export const requireOfferingFilter = Effect.fnUntraced(function* (
  calls: WaldurCalls,
): Effect.fn.Return<Count, WaldurError> {
  // If Waldur refuses an unknown slug, it knows the filter.
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
 * Fails with `WaldurTooOld` if there are rows and none belongs to a requested offering. A single row of another offering is
 * accepted here; the decoder rejects it.
 */
export const requireOfferings = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  slugs: ReadonlyArray<string>,
  rows: ReadonlyArray<unknown>,
): Effect.fn.Return<void, WaldurError> {
  if (rows.length === 0 || rows.some(isOfOffering(slugs))) return
  const seen = rows.some((row) => offeringSlugOf(row) !== undefined)
    ? `it ignores the filter offering_slug (queried for ${slugs.join(", ")}, it returns ${rows.length} resources, none of them in these offerings)`
    : `none of its ${rows.length} resources has an offering_slug`
  return yield* new WaldurTooOld({ apiUrl: calls.apiUrl, seen })
})

const requireOrderState = Effect.fnUntraced(function* (
  calls: WaldurCalls,
): Effect.fn.Return<void, WaldurError | OrderStateUnusable> {
  // A Waldur that knows the filter refuses an invalid value.
  const isKnown = yield* Effect.catchIf(
    obeys(calls, "order_state", impossible, { isRefusalEnough: true }),
    isBadRequest,
    () => Effect.succeed(true),
  )
  if (!isKnown) return yield* new OrderStateUnusable({ isRefused: false })
})

/** Whether Waldur applies a filter, tested with a value that selects nothing; unknown filters are ignored. */
const obeys = (
  calls: WaldurCalls,
  filter: string,
  value: string,
  options: Parameters<WaldurCalls["count"]>[2] = {},
): Effect.Effect<boolean, WaldurError> =>
  Effect.map(calls.count(path, [[filter, value], ...providersOnly], options), ({ total }) => total === 0)

/**
 * Looks up one resource by its uuid: `None` if it is gone, belongs to another offering, or does not pass `belongs`. One that
 * is too large has few fields, in the extreme only its uuid.
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
