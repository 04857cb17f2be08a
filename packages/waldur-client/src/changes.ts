import { cooperatively } from "@cscs/http-transport"
import { Clock, Effect, Option } from "effect"
import { maxAhead, type WaldurCalls } from "./calls.ts"
import { replaceRows } from "./consistency.ts"
import { isBadRequest, type WaldurError } from "./errors.ts"
import {
  asListed,
  cameWithOrder,
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
 * Milliseconds before the last read from which changes are asked for once more: `modified` is set before a transaction
 * commits, and only then seen; and a gateway's clock may be the one that writes `Date`.
 */
const overlap = 2 * 60_000

/** Resources whose order has ended unseen that are asked for one by one at most; with more, a full read is cheaper. */
const maxEnded = 50

/**
 * Reads what changed since the last read, and puts it in place.
 *
 * Only an order in progress changes without its resource's `modified`, so those are all read each time; a resource that
 * had one and is in neither list now has lost it, and is asked for alone. What was deleted shows in the count alone, as
 * does a resource that came between the calls: so where the count differs, all is asked once more.
 */
export const readChanges = (
  calls: WaldurCalls,
  query: ResourceQuery,
  last: ResourceRead,
): Effect.Effect<Option.Option<ResourceRead>, WaldurError> =>
  changesSince(calls, query, last).pipe(
    // Something of the query is refused by now: a full read finds out what, and does without it if it can.
    Effect.catchIf(
      (error) => error._tag === "OrderStateUnusable" || isBadRequest(error),
      () => Effect.succeed(Option.none<ResourceRead>()),
    ),
  )

const changesSince = Effect.fn("WaldurClient.readChanges")(function* (
  calls: WaldurCalls,
  query: ResourceQuery,
  last: ResourceRead,
): Effect.fn.Return<Option.Option<ResourceRead>, WaldurError | OrderStateUnusable> {
  const selected = selectedBy(query)
  const { slugs } = selected
  if (last.asOf === undefined || slugs.length === 0) return Option.none()
  // A time that is to come, of a gateway's clock or since our own was set back: what changed before it would be missed.
  if (!(last.asOf >= overlap && last.asOf <= (yield* Clock.currentTimeMillis) + maxAhead)) return Option.none()
  yield* Effect.annotateCurrentSpan({ offerings: slugs.join(",") })
  const since = new Date(last.asOf - overlap).toISOString()

  for (let attempt = 1; attempt <= 2; attempt++) {
    // The count first, so that `askedAt` is before every list.
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
    const merged = yield* merge(calls, selected, last.rows, changed.rows, ordered.rows)
    if (Option.isNone(merged)) return Option.none()
    const rows = merged.value
    if (rows.length === count.total) {
      const reads = Math.max(changed.reads, ordered.reads)
      const asOf = changed.cached || ordered.cached ? undefined : count.askedAt
      return Option.some({ rows, total: count.total, reads, asOf })
    }
  }
  return Option.none()
})

/** None where it cannot be told which of the last rows the new ones are, or what has become of one. */
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
  // A few bad rows, or a Waldur that has become too old and gives everybody's: the full read says which.
  if (fresh.length > 0 && !fresh.some(isOfOffering(selected.slugs))) return Option.none()

  const ended: Array<string> = []
  yield* cooperatively(last, (row) => {
    const key = cameWithOrder(row) ? rowKey(row) : undefined
    if (key !== undefined && !keys.has(key)) ended.push(key)
  })
  if (ended.length > maxEnded) return Option.none()
  const found = Option.all(
    yield* Effect.forEach(ended, confirmation(calls, selected.slugs, selected.fields), { concurrency: "unbounded" }),
  )
  return yield* Effect.transposeOption(
    Option.map(found, (rows) => replaceRows(last, [...fresh, ...rows.map(asListed(selected))])),
  )
})
