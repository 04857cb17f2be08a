import { dashedUuid, waldurResourceFields } from "@cscs/storage-model"
import { type ResourceRead, WaldurClient } from "@cscs/waldur-client"
import { Clock, Duration, Effect, Option, type Scope } from "effect"
import { Settings } from "../config/settings.ts"
import { counted } from "../observability/refresh-metrics.ts"
import { buildSnapshot, type DecodedRows, decodeRows } from "./build-snapshot.ts"
import { oddLosses } from "./empty-guard.ts"
import { type LookupDesk, type Lookups, lookupDesk, type Needed, sameLookups, stillGood } from "./lookups.ts"
import { ProjectGids } from "./project-gids.ts"
import { GidsUnavailable, OfferingsInvisible, type RefreshError } from "./refresh-errors.ts"
import type { Snapshot, TakenSnapshot } from "./snapshot.ts"

/** How a snapshot came here: from all of Waldur, from what had changed, from another replica, or from our own file. */
export type Origin = "all" | "changes" | "replica" | "file"

/** What a refresh gave, and what the next one starts from. */
export interface Reading {
  readonly taken: TakenSnapshot
  readonly origin: Origin
  /** `undefined` where the snapshot was read by another process: the next read is then of all. */
  readonly basis: Basis | undefined
}

/** What reads of changes go on from. */
export interface Basis {
  readonly resources: ResourceRead
  /** When the last full read began. */
  readonly fullReadAt: number
  readonly needed: Needed
  /** Waldur's resources by offering slug. */
  readonly counts: ReadonlyMap<string, number>
  readonly lookups: Lookups
}

type Services = WaldurClient | ProjectGids | Settings

/**
 * Reads Waldur and makes the tree of it: only what changed since the last reading where Waldur can tell, all of it at
 * first, every `cache.full_refresh_every`, and where the changes do not add up.
 *
 * @param last the last good reading. Without one, a GID that cannot be asked for fails the read; with one only where a
 *   resource is concerned that was served, so that a new project does not stop the others
 */
export const readSnapshot = Effect.fn("readSnapshot")(function* (
  last: Reading | undefined,
): Effect.fn.Return<Reading, RefreshError, Services | Scope.Scope> {
  const { cache } = yield* Settings
  const takenAt = yield* Clock.currentTimeMillis
  const isFullDue =
    last?.basis === undefined ||
    takenAt - last.basis.fullReadAt >= Duration.toMillis(cache.fullRefreshEvery) ||
    last.taken.snapshot.guarded.some(({ since }) => takenAt - since >= Duration.toMillis(cache.emptyGuard))
  const changed = isFullDue ? undefined : yield* counted("changes")(readChanges(last, last.basis, takenAt))
  return changed ?? (yield* counted("all")(readAll(last, takenAt)))
}, Effect.scoped)

/** All of Waldur; customers and GIDs are looked up while pages still arrive. */
const readAll = Effect.fnUntraced(function* (last: Reading | undefined, takenAt: number) {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  const { prepare } = yield* ProjectGids
  const desk = yield* lookupDesk(undefined)
  if (last === undefined) yield* Effect.forkScoped(prepare)
  const resources = yield* waldur.readResources({
    ...(yield* resourceQuery),
    onRows: (rows) => desk.ahead(surelyNeeded(rows)),
  })
  const rows = yield* decodeRows(resources.rows, model)
  const invisible = yield* offeringsNotSeen(rows.counts, last?.taken.snapshot, takenAt)
  return yield* finish({ takenAt, fullReadAt: takenAt, resources, rows, invisible, desk, last })
})

/**
 * What rows need as far as a glance shows, for they are decoded when all are there. A project whose target item Waldur
 * may hold itself is not asked for ahead, since its GID may not be needed.
 */
const surelyNeeded = (rows: ReadonlyArray<unknown>): Needed => {
  const offerings = new Set<string>()
  const projects = new Set<string>()
  for (const row of rows) {
    if (typeof row !== "object" || row === null) continue
    const { offering_uuid, project_slug, backend_metadata } = row as Readonly<Record<string, unknown>>
    const offering = dashedUuid(offering_uuid)
    if (offering !== undefined) offerings.add(offering)
    const hasNoItem = Object.keys(backend_metadata ?? {}).length === 0
    if (hasNoItem && typeof project_slug === "string" && project_slug !== "") projects.add(project_slug)
  }
  return { offerings, projects }
}

/** What changed since the last reading; `undefined` where only a full read can tell. */
const readChanges = Effect.fnUntraced(function* (last: Reading, basis: Basis, takenAt: number) {
  const { model } = yield* Settings
  const { snapshot } = last.taken
  const waldur = yield* WaldurClient
  const read = yield* waldur.readChanges(yield* resourceQuery, basis.resources)
  if (Option.isNone(read)) return undefined
  const resources = read.value
  const changedRows =
    resources.rows === basis.resources.rows
      ? []
      : resources.rows.filter((row, index) => row !== basis.resources.rows[index])
  const changed = yield* decodeRows(changedRows, model)
  const desk = yield* lookupDesk(stillGood(basis.lookups, changed.decoded.resources))
  if (changedRows.length === 0) {
    const lookups = yield* desk.complete(basis.needed)
    if (sameLookups(lookups, basis.lookups)) {
      return yield* reading(snapshot, takenAt, { ...basis, resources }, last)
    }
  }
  const rows = yield* decodeRows(resources.rows, model)
  const isFilledAsBefore = sameKeys(rows.counts, basis.counts)
  const invisible = isFilledAsBefore
    ? snapshot.invisibleOfferings
    : yield* offeringsNotSeen(rows.counts, snapshot, takenAt)
  return yield* finish({ takenAt, fullReadAt: basis.fullReadAt, resources, rows, invisible, desk, last })
})

const finish = Effect.fnUntraced(function* (found: {
  readonly takenAt: number
  readonly fullReadAt: number
  readonly resources: ResourceRead
  readonly rows: DecodedRows
  readonly invisible: ReadonlyArray<string>
  readonly desk: LookupDesk
  readonly last: Reading | undefined
}): Effect.fn.Return<Reading, RefreshError, Settings> {
  const { model, cache } = yield* Settings
  const { takenAt, fullReadAt, resources, rows, invisible, desk, last } = found
  const lookups = yield* desk.complete(rows.needed)
  const snapshot = yield* buildSnapshot({
    rows,
    lookups,
    model,
    invisibleOfferings: invisible,
    previous: last?.taken.snapshot,
    takenAt,
    emptyGuard: Duration.toMillis(cache.emptyGuard),
  })
  const withoutGid = snapshot.skipped.filter(({ code }) => code === "gid-unavailable")
  const served = withoutGid.length === 0 ? undefined : last?.taken.snapshot.entries.resources()
  const lost = served === undefined ? withoutGid : withoutGid.filter(({ uuid }) => uuid !== null && served.has(uuid))
  if (lost.length > 0) {
    const detail = lookups.gids.failure ?? lost[0]?.reason ?? ""
    return yield* new GidsUnavailable({ resources: lost.length, detail })
  }
  const { needed, counts } = rows
  return yield* reading(snapshot, takenAt, { resources, fullReadAt, needed, counts, lookups }, last)
})

/** A snapshot that is whole now. */
const reading = (snapshot: Snapshot, takenAt: number, basis: Basis, last: Reading | undefined) =>
  Effect.map(Clock.currentTimeMillis, (heldSince): Reading => {
    const isSame = last?.taken.snapshot.entries.id === snapshot.entries.id
    return {
      taken: { snapshot, takenAt, heldSince, changedAt: isSame ? last.taken.changedAt : heldSince },
      origin: basis.fullReadAt === takenAt ? "all" : "changes",
      basis,
    }
  })

/** Which resources are read, and what of them. */
export const resourceQuery = Effect.map(Settings, ({ model }) => ({
  offeringSlugs: model.storageSystems.map(({ offeringSlug }) => offeringSlug),
  fields: waldurResourceFields,
}))

const sameKeys = (some: ReadonlyMap<string, unknown>, others: ReadonlyMap<string, unknown>) =>
  some.size === others.size && [...some.keys()].every((key) => others.has(key))

/**
 * Configured offerings without any resource that the token does not see at all. Waldur answers both with an empty list;
 * only the offerings tell a missing role from an empty system. That none is seen fails the refresh, save where the last
 * good entries are guarded anyway.
 */
const offeringsNotSeen = Effect.fnUntraced(function* (
  counts: ReadonlyMap<string, number>,
  previous: Snapshot | undefined,
  takenAt: number,
): Effect.fn.Return<ReadonlyArray<string>, RefreshError, WaldurClient | Settings> {
  const { model, cache } = yield* Settings
  const waldur = yield* WaldurClient
  const slugs = model.storageSystems.map(({ offeringSlug }) => offeringSlug)
  if (slugs.every((slug) => counts.has(slug))) return []
  const seen = new Set((yield* waldur.offerings()).map(({ slug }) => slug))
  const notSeen = slugs.filter((slug) => !counts.has(slug) && !seen.has(slug))
  const guarded = oddLosses(counts, { model, previous, takenAt, emptyGuard: Duration.toMillis(cache.emptyGuard) })
  if (notSeen.length === slugs.length && guarded.length === 0) return yield* new OfferingsInvisible({ slugs })
  return notSeen
})
