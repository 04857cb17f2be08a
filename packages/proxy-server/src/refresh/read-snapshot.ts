/** Reads the upstreams for one refresh: all resources, or only what changed since the last read. */
import { cooperatively } from "@cscs/http-transport"
import { dashedUuid, type StorageSystem, type WaldurResource, waldurResourceFields } from "@cscs/storage-model"
import { type OfferingSummary, type ResourceRead, WaldurClient, type WaldurError } from "@cscs/waldur-client"
import { Clock, Duration, Effect, Option, type Scope } from "effect"
import { Settings } from "../config/settings.ts"
import { logEvent } from "../observability/log-events.ts"
import type { Snapshot, TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import { buildSnapshot, type KeptTree, type TreeChange } from "./build-snapshot.ts"
import {
  areLookupsSufficient,
  type DecodedRow,
  type DecodedRows,
  decodeAhead,
  decodeRow,
  decodeRows,
  neededAfter,
  neededBy,
  type OwnOfferings,
  updateRows,
} from "./decoded-rows.ts"
import { GidSource } from "./gid-source.ts"
import {
  type Lookups,
  lookupSession,
  type Needed,
  renewedLookups,
  sameLookups,
  stillGood,
  unsettledIn,
} from "./lookups.ts"
import { GidsUnavailable, OfferingsInvisible, type RefreshError } from "./refresh-errors.ts"
import { counted } from "./refresh-metrics.ts"

/** Where a snapshot comes from: a full read of Waldur, a read of changes, another replica, or our own file. */
export type Origin = "all" | "changes" | "replica" | "file"

/** The result of a refresh, and what the next one starts from. */
export interface ReadResult {
  readonly taken: TimedSnapshot
  readonly origin: Origin
  /** `undefined` if another process read the snapshot: the next read is then a full one. */
  readonly basis: DeltaBasis | undefined
}

/** What a read of changes starts from. */
export interface DeltaBasis {
  readonly resources: ResourceRead
  /** When the last full read began, in steady milliseconds. */
  readonly fullReadAt: number
  /** When the read began for which the tree was last built whole, in steady milliseconds. */
  readonly wholeTreeAt: number
  readonly offerings: ConfiguredOfferings
  readonly needed: Needed
  readonly lookups: Lookups
  /** Takes the tree, which one refresh can change; `undefined` if there is none, or another refresh has taken it. */
  readonly takeTree: () => KeptTree | undefined
}

type Services = WaldurClient | GidSource | Settings

/**
 * Reads Waldur and builds the tree. Reads only what changed since the last read if Waldur can report it; reads
 * everything at first, every `cache.full_refresh_every`, and when the changes are inconsistent.
 *
 * @param last the last good read. Without one, a GID that cannot be looked up fails the read; with one, only if it
 *   belongs to a resource that was served, so that a new project does not stop the others
 */
export const readSnapshot = Effect.fn("readSnapshot")(function* (
  last: ReadResult | undefined,
): Effect.fn.Return<ReadResult, RefreshError, Services | Scope.Scope> {
  const { cache } = yield* Settings
  const readStartedAt = yield* steadyMillis
  const isFullDue =
    last?.basis === undefined ||
    readStartedAt - last.basis.fullReadAt >= Duration.toMillis(cache.fullRefreshEvery) ||
    last.taken.snapshot.guarded.some(({ since }) => readStartedAt - since >= Duration.toMillis(cache.emptyGuard))
  const changed = isFullDue ? undefined : yield* counted("changes")(readChanges(last, last.basis, readStartedAt))
  return changed ?? (yield* counted("all")(readAll(last, readStartedAt)))
}, Effect.scoped)

/** Reads everything. */
const readAll = Effect.fnUntraced(function* (last: ReadResult | undefined, readStartedAt: number) {
  const { cache } = yield* Settings
  const basis = last?.basis
  const isWholeTreeDue =
    basis === undefined ||
    Duration.isZero(cache.fullRefreshEvery) ||
    readStartedAt - basis.wholeTreeAt >= wholeTreeEvery
  // Dropped: two trees would be the peak of the memory.
  if (isWholeTreeDue) basis?.takeTree()
  const found = isWholeTreeDue ? readUpstreams(last, readStartedAt) : readAndUpdate(last, basis, readStartedAt)
  return yield* finish(yield* found)
})

/**
 * Makes the same queries as the first refresh of a process, and returns the tree, whether or not it may be served: for
 * `check`.
 */
export const firstRead = Effect.gen(function* () {
  return yield* treeOf(yield* readUpstreams(undefined, yield* steadyMillis))
})

/**
 * Steady milliseconds after which the next full read builds the tree whole, not only what differs: an error in an update
 * lasts until then.
 */
const wholeTreeEvery = Duration.toMillis("1 hour")

/** Reads all of Waldur, and finds what differs from the last read. */
const readAndUpdate = Effect.fnUntraced(function* (
  last: ReadResult | undefined,
  basis: DeltaBasis,
  readStartedAt: number,
): Effect.fn.Return<Found, WaldurError, Services | Scope.Scope> {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  const query = yield* resourceQuery
  const session = yield* lookupSession({ customers: new Map(), gids: basis.lookups.gids })
  yield* session.prefetch({ offerings: basis.needed.offerings, projects: unsettledIn(basis.lookups.gids) })
  const { offerings, resources } = yield* Effect.all(
    { offerings: readOfferings(basis.offerings), resources: waldur.readResources(query, basis.resources) },
    { concurrency: "unbounded" },
  )
  const decode = (row: unknown) => decodeRow(row, model, offerings.own)
  const { rows, fresh, change } = yield* updateOrDecode(basis, resources, offerings, decode)
  const needed = yield* fresh === undefined ? neededBy(rows) : neededAfter(basis.needed, rows, fresh)
  const lookups = yield* session.resolve(needed)
  const wholeTreeAt = change === undefined ? readStartedAt : basis.wholeTreeAt
  const fullReadAt = readStartedAt
  return { readStartedAt, fullReadAt, wholeTreeAt, resources, rows, offerings, needed, lookups, change, last }
})

/**
 * The decoded rows of a read, and what changed in the tree of the last one.
 *
 * @returns `fresh`, the rows that are new, and `change` are `undefined` if the whole tree must be built
 */
const updateOrDecode = Effect.fnUntraced(function* (
  basis: DeltaBasis,
  resources: ResourceRead,
  offerings: ConfiguredOfferings,
  decode: (row: unknown) => DecodedRow,
) {
  const tree = basis.takeTree()
  const isUpdatable = tree !== undefined && areSameOfferings(basis.offerings.own, offerings.own)
  const updated = isUpdatable ? yield* updateRows(tree.rows, basis.resources.rows, resources.rows, decode) : undefined
  if (tree === undefined || updated === undefined) {
    const { model } = yield* Settings
    const rows = yield* decodeRows(resources.rows, model, offerings.own)
    return { rows, fresh: undefined, change: undefined }
  }
  const { rows, removed, added, fresh } = updated
  const change: TreeChange = { tree: { ...tree, rows }, removed, added, lookups: basis.lookups }
  return { rows, fresh, change }
})

/** Reads all of Waldur; decodes rows and looks up customers and GIDs while pages still arrive. */
const readUpstreams = Effect.fnUntraced(function* (
  last: ReadResult | undefined,
  readStartedAt: number,
): Effect.fn.Return<Found, WaldurError, Services | Scope.Scope> {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  const { prepare } = yield* GidSource
  const session = yield* lookupSession(undefined)
  if (last === undefined) yield* Effect.forkScoped(prepare)
  const query = yield* resourceQuery
  const basis = last?.basis
  const known = basis?.offerings
  let own: OwnOfferings | undefined
  const decoded = new Map<unknown, DecodedRow>()
  const { offerings, resources } = yield* Effect.all(
    {
      offerings: Effect.tap(readOfferings(known), (offerings) =>
        Effect.sync(() => {
          own = offerings.own
        }),
      ),
      resources: waldur.readResources(
        {
          ...query,
          // Pages that arrive before the offerings are decoded at the end.
          onRows: (rows) =>
            own === undefined ? Effect.void : Effect.flatMap(decodeAhead(rows, model, own, decoded), session.prefetch),
        },
        basis?.resources,
      ),
    },
    // Without known offerings the rows need them first. Otherwise both run at once: if Waldur hangs, one must not wait
    // for the other to fail.
    { concurrency: known === undefined ? 1 : "unbounded" },
  )
  const rows = yield* decodeRows(resources.rows, model, offerings.own, decoded)
  const needed = yield* neededBy(rows)
  const lookups = yield* session.resolve(needed)
  const [fullReadAt, wholeTreeAt] = [readStartedAt, readStartedAt]
  return {
    readStartedAt,
    fullReadAt,
    wholeTreeAt,
    resources,
    rows,
    offerings,
    needed,
    lookups,
    change: undefined,
    last,
  }
})

const areSameOfferings = (before: OwnOfferings, now: OwnOfferings): boolean =>
  before.size === now.size &&
  [...before].every(([slug, uuids]) => {
    const found = now.get(slug)
    return found?.size === uuids.size && [...uuids].every((uuid) => found.has(uuid))
  })

/** What changed since the last read; `undefined` if a full read is needed. */
const readChanges = Effect.fnUntraced(function* (last: ReadResult, basis: DeltaBasis, readStartedAt: number) {
  const { model } = yield* Settings
  const { snapshot } = last.taken
  const waldur = yield* WaldurClient
  const read = yield* waldur.readChanges(yield* resourceQuery, basis.resources)
  if (Option.isNone(read)) return undefined
  const resources = read.value
  const { rows: before } = basis.resources
  const different = resources.rows.filter((row, position) => row !== before[position])
  const decoded = new Map<unknown, DecodedRow>()
  yield* cooperatively(different, (row) => decoded.set(row, decodeRow(row, model, basis.offerings.own)))
  const changedResources = [...decoded.values()].flatMap(({ resource }) => resource ?? [])
  // A resource of another offering may belong to one that our user was granted since: only Waldur knows.
  const offerings = changedResources.some((resource) => isForeign(resource, basis.offerings.own))
    ? yield* readOfferings(basis.offerings)
    : basis.offerings
  const isSame = different.length === 0 && resources.rows.length === before.length
  const renewed = isSame ? yield* renewedLookups(basis.lookups, basis.needed) : undefined
  if (renewed !== undefined && sameLookups(renewed, basis.lookups)) {
    return yield* resultOf(snapshot, readStartedAt, { ...basis, resources }, last)
  }
  const decode = (row: unknown) => {
    const one = decoded.get(row) ?? decodeRow(row, model, offerings.own)
    // Used once: one object can be several rows, each of which has findings of its own.
    decoded.delete(row)
    return one
  }
  const { rows, fresh, change } = yield* updateOrDecode(basis, resources, offerings, decode)
  const { fullReadAt, wholeTreeAt } = basis
  const found = { readStartedAt, fullReadAt, wholeTreeAt, resources, offerings, rows, change, last }
  if (fresh !== undefined && areLookupsSufficient(basis.lookups, rows, fresh)) {
    const lookups = renewed ?? (yield* renewedLookups(basis.lookups, basis.needed))
    return yield* finish({ ...found, needed: basis.needed, lookups })
  }
  const needed = yield* neededBy(rows)
  if (renewed !== undefined) return yield* finish({ ...found, needed, lookups: renewed })
  const session = yield* lookupSession(stillGood(basis.lookups, changedResources))
  return yield* finish({ ...found, needed, lookups: yield* session.resolve(needed) })
})

/** Everything that was read for a tree. */
interface Found {
  readonly readStartedAt: number
  readonly fullReadAt: number
  readonly wholeTreeAt: number
  readonly resources: ResourceRead
  readonly rows: DecodedRows
  readonly offerings: ConfiguredOfferings
  readonly needed: Needed
  readonly lookups: Lookups
  /** What changed in the tree of the last read; if `undefined`, the whole tree is built. */
  readonly change: TreeChange | undefined
  readonly last: ReadResult | undefined
}

const treeOf = Effect.fnUntraced(function* ({
  readStartedAt,
  rows,
  offerings,
  lookups,
  last,
  resources,
  change,
}: Found) {
  const { model, cache } = yield* Settings
  const { snapshot, tree } = yield* buildSnapshot({
    rows,
    lookups,
    model,
    offerings: offerings.own,
    invisibleOfferings: offerings.invisible,
    offeringWarnings: offerings.warnings,
    previous: last?.taken.snapshot,
    previousReadAt: last?.taken.readStartedAt ?? readStartedAt,
    readStartedAt,
    emptyGuard: Duration.toMillis(cache.emptyGuard),
    change,
  })
  return { snapshot, tree, lookups, offerings, resources }
})

const finish = Effect.fnUntraced(function* (found: Found): Effect.fn.Return<ReadResult, RefreshError, Settings> {
  const { model } = yield* Settings
  const { readStartedAt, fullReadAt, wholeTreeAt, resources, needed, offerings, last, lookups } = found
  const { snapshot, tree } = yield* treeOf(found)
  // Seeing none of them is a failure, not an empty list, unless the last good entries stay anyway.
  if (offerings.invisible.length === model.storageSystems.length && snapshot.guarded.length === 0) {
    return yield* new OfferingsInvisible({ slugs: offerings.invisible })
  }
  const withoutGid = snapshot.skipped.filter(({ code }) => code === "gid-unavailable")
  const served = withoutGid.length === 0 ? undefined : last?.taken.snapshot.entries.resources()
  const lost = served === undefined ? withoutGid : withoutGid.filter(({ uuid }) => uuid !== null && served.has(uuid))
  if (lost.length > 0) {
    const { gidFailure } = snapshot
    if (gidFailure === undefined) return yield* Effect.die(new Error(lost[0]?.reason))
    return yield* new GidsUnavailable({ resources: lost.length, failure: gidFailure })
  }
  const basis = { resources, fullReadAt, wholeTreeAt, offerings, needed, lookups, takeTree: once(tree) }
  return yield* resultOf(snapshot, readStartedAt, basis, last)
})

/** Returns a value at the first call only. */
const once = <A>(value: A | undefined) => {
  let left = value
  return () => {
    const taken = left
    left = undefined
    return taken
  }
}

/** Whether a resource has a configured slug but belongs to an offering that is not ours. */
const isForeign = ({ offering_slug, offering_uuid }: WaldurResource, own: OwnOfferings): boolean =>
  own.get(offering_slug)?.has(offering_uuid) === false

/** The result for a complete snapshot. */
const resultOf = (snapshot: Snapshot, readStartedAt: number, basis: DeltaBasis, last: ReadResult | undefined) =>
  Effect.map(Effect.all([steadyMillis, Clock.currentTimeMillis]), ([readEndedAt, wallTime]): ReadResult => {
    const isSame = last?.taken.snapshot.entries.id === snapshot.entries.id
    return {
      taken: { snapshot, readStartedAt, readEndedAt, changedAt: isSame ? last.taken.changedAt : wallTime },
      origin: basis.fullReadAt === readStartedAt ? "all" : "changes",
      basis,
    }
  })

/** Which resources are read, and which of their fields. */
export const resourceQuery = Effect.map(Settings, ({ model }) => ({
  offeringSlugs: model.storageSystems.map(({ offeringSlug }) => offeringSlug),
  fields: waldurResourceFields,
}))

/** The configured offerings, as the token's user sees them. */
export interface ConfiguredOfferings {
  /** Those whose resources are served. */
  readonly own: OwnOfferings
  /** Slugs of those that the token does not see: Waldur shows none of their resources, as if they were empty. */
  readonly invisible: ReadonlyArray<string>
  /** Messages for the operator: a slug that several own offerings share, or a list of offerings that is not current. */
  readonly warnings: ReadonlyArray<string>
}

/** Reads the offerings; if Waldur is unavailable or its list is inconsistent, returns those of the last good read. */
export const readOfferings = Effect.fnUntraced(function* (
  last: ConfiguredOfferings | undefined,
): Effect.fn.Return<ConfiguredOfferings, WaldurError, WaldurClient | Settings> {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  return yield* Effect.catchTags(
    Effect.map(waldur.offerings(), (offerings) => configuredOfferings(model.storageSystems, offerings)),
    {
      WaldurUnavailable: (error) => orLast(error, last),
      WaldurInconsistent: (error) => orLast(error, last),
    },
  )
})

const orLast = (error: WaldurError, last: ConfiguredOfferings | undefined) =>
  last === undefined
    ? Effect.fail(error)
    : Effect.as(
        Effect.logWarning("Offerings cannot be read; those of the last good read are used").pipe(
          logEvent("offerings-unavailable"),
          Effect.annotateLogs({ error: error.message }),
        ),
        { ...last, warnings: [...new Set([...last.warnings, offeringsNotCurrent])] },
      )

const offeringsNotCurrent =
  "Waldur did not return the user's offerings at the last attempt; those of the last good read are used"

/** How many offerings of one slug a message names. */
const offeringsNamed = 3

/** The offerings behind each configured slug: all that the user provides under it, or only the configured one. */
export const configuredOfferings = (
  systems: ReadonlyArray<StorageSystem>,
  offerings: ReadonlyArray<OfferingSummary>,
): ConfiguredOfferings => {
  const uuids = new Map<string, Set<string>>()
  for (const { slug, uuid } of offerings) {
    const dashed = dashedUuid(uuid)
    if (dashed === undefined) continue
    const known = uuids.get(slug)
    if (known === undefined) uuids.set(slug, new Set([dashed]))
    else known.add(dashed)
  }
  const own = new Map<string, ReadonlySet<string>>()
  const invisible: Array<string> = []
  const warnings: Array<string> = []
  for (const { name, offeringSlug, offeringUuid } of systems) {
    const provided = [...(uuids.get(offeringSlug) ?? [])].sort()
    const isSeen = offeringUuid === undefined ? provided.length > 0 : provided.includes(offeringUuid)
    own.set(offeringSlug, new Set(offeringUuid === undefined ? provided : [offeringUuid]))
    if (!isSeen) invisible.push(offeringSlug)
    if (offeringUuid === undefined && provided.length > 1) {
      const named = provided.slice(0, offeringsNamed).join(", ")
      const more = provided.length > offeringsNamed ? " and others" : ""
      warnings.push(
        `${provided.length} offerings have the slug ${offeringSlug} (${named}${more}), and the resources of all are served: name the right one as uuid of storage_systems.${name}`,
      )
    }
  }
  return { own, invisible, warnings }
}
