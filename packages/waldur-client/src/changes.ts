/** Incremental reads: the resources that changed since the last read, merged into it. */
import { cooperatively } from "@cscs/http-transport"
import { Clock, Effect, Option } from "effect"
import { maxAhead, type WaldurCalls } from "./calls.ts"
import { replaceRows } from "./consistency.ts"
import { isBadRequest, type WaldurError } from "./errors.ts"
import { keepPages, orderedKeys, recognising, withChanges } from "./known.ts"
import {
  asListed,
  confirmation,
  isOfOffering,
  listResources,
  listWithOrders,
  type OrderStateUnusable,
  path,
  type ResourceQuery,
  type ResourceRead,
  resourceQuery,
  type Selected,
  selectedBy,
  withOrdersOfTheirStates,
} from "./resources.ts"
import { rowKey } from "./rows.ts"

/**
 * Milliseconds by which changes are read again before the last read: `modified` is set before its transaction commits and
 * becomes visible, and `Date` may come from a gateway's clock.
 */
const overlap = 2 * 60_000

/** Maximum number of resources with ended orders that are looked up individually; beyond that a full read is cheaper. */
const maxEnded = 50

/**
 * Reads what changed since the last read, and merges it.
 *
 * Orders in progress change without an update of the resource's `modified`, so they are all read each time. A resource that
 * had an order and is in neither list has lost it, and is looked up individually. A deletion shows only in the count, as does a
 * resource that appears between the calls; so if the count differs, these calls are made once more; if it
 * still does, the result is `None`: a full read is needed.
 */
export const readChanges = (
  calls: WaldurCalls,
  query: ResourceQuery,
  last: ResourceRead,
): Effect.Effect<Option.Option<ResourceRead>, WaldurError> =>
  changesSince(calls, query, last).pipe(
    // A part of the query is refused now: a full read finds out which, and omits it if possible.
    Effect.catchIf(
      (error) => error._tag === "OrderStateUnusable" || isBadRequest(error),
      () => Effect.succeed(Option.none<ResourceRead>()),
    ),
  )

const changesSince = Effect.fn("WaldurClient.readChanges")(function* (
  givenCalls: WaldurCalls,
  query: ResourceQuery,
  last: ResourceRead,
): Effect.fn.Return<Option.Option<ResourceRead>, WaldurError | OrderStateUnusable> {
  const selected = selectedBy(query)
  const { slugs } = selected
  if (last.asOf === undefined || slugs.length === 0) return Option.none()
  // A time in the future (a gateway's clock, or our own was set back) would miss the changes before it.
  if (!(last.asOf >= overlap && last.asOf <= (yield* Clock.currentTimeMillis) + maxAhead)) return Option.none()
  yield* Effect.annotateCurrentSpan({ offerings: slugs.join(",") })
  const calls = yield* recognising(givenCalls, last.rows)
  const since = new Date(last.asOf - overlap).toISOString()

  for (let attempt = 1; attempt <= 2; attempt++) {
    // The count is requested first, so that `askedAt` is before every list.
    const [count, changed, ordered] = yield* Effect.all(
      [
        calls.count(path, resourceQuery(slugs)),
        listResources(calls, slugs, { fields: selected.fieldsWithoutOrder, filter: [["modified", since]] }),
        listWithOrders(calls, selected),
      ],
      { concurrency: "unbounded" },
    )
    if (!count.isCounted || !changed.counted || !ordered.counted) return Option.none()
    if (changed.several.size + ordered.several.size > 0) return Option.none()
    if (changed.rows.length < changed.total || ordered.rows.length < ordered.total) return Option.none()
    const merged = yield* merge(calls, selected, last.rows, changed.rows, ordered.rows)
    if (Option.isNone(merged)) return Option.none()
    const rows = merged.value
    if (rows.length === count.total) {
      const reads = Math.max(changed.reads, ordered.reads)
      keepPages(rows, last.rows, { recent: [changed, ordered] })
      const asOf = changed.cached || ordered.cached ? undefined : count.askedAt
      return Option.some({ rows, total: count.total, reads, asOf })
    }
  }
  return Option.none()
})

/** `None` if new rows cannot be matched to the last ones, or the fate of a row is unknown. */
const merge = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  selected: Selected,
  last: ReadonlyArray<unknown>,
  changed: ReadonlyArray<unknown>,
  ordered: ReadonlyArray<unknown>,
): Effect.fn.Return<Option.Option<ReadonlyArray<unknown>>, WaldurError> {
  const keys = new Set<string | undefined>()
  yield* cooperatively(changed, (row) => keys.add(rowKey(row)))
  if (keys.has(undefined)) return Option.none()
  yield* cooperatively(ordered, (row) => keys.add(rowKey(row)))
  const fresh = yield* withOrdersOfTheirStates(calls, selected, yield* replaceRows(changed, ordered), new Set())
  // A few invalid rows, or a Waldur that no longer filters by offering; a full read finds out.
  if (fresh.length > 0 && !fresh.some(isOfOffering(selected.slugs))) return Option.none()

  const ended = (yield* orderedKeys(last)).filter((key) => !keys.has(key))
  if (ended.length > maxEnded) return Option.none()
  const found = Option.all(
    yield* Effect.forEach(ended, confirmation(calls, selected.slugs, selected.fields), { concurrency: "unbounded" }),
  )
  return yield* Effect.transposeOption(
    Option.map(found, (rows) => withChanges(last, [...fresh, ...rows.map(asListed(selected))])),
  )
})
