import {
  buildHierarchy,
  decodeResources,
  type OfferingCustomer,
  projectsWithoutItem,
  type WaldurResource,
  waldurResourceFields,
} from "@cscs/storage-model"
import { WaldurClient, type WaldurError } from "@cscs/waldur-client"
import { Clock, Effect, Schema } from "effect"
import { Settings } from "../config/settings.ts"
import { ProjectGids } from "./project-gids.ts"
import { type Snapshot, servedResources } from "./snapshot.ts"

/** Waldur answers, but the token's user has no role in any of the configured offerings: an empty list would be a lie. */
export class OfferingsInvisible extends Schema.TaggedError<OfferingsInvisible>()("OfferingsInvisible", {
  slugs: Schema.Array(Schema.String),
}) {
  override get message() {
    return `Waldur's token sees none of the offerings ${this.slugs.join(", ")}: its user needs a role in them, or the slugs in storage_systems are wrong`
  }
}

/** Resources that must be served lack their GID because the HPC User API cannot be asked. */
export class GidsUnavailable extends Schema.TaggedError<GidsUnavailable>()("GidsUnavailable", {
  resources: Schema.Int,
  detail: Schema.String,
}) {
  override get message() {
    return `${this.resources} resources lack their GID: ${this.detail}`
  }
}

/** Why the upstreams gave no snapshot. */
export type RefreshError = WaldurError | OfferingsInvisible | GidsUnavailable

/** The upstream that a failed refresh failed at. */
export const upstreamOf = (error: RefreshError): "waldur" | "hpc-user-api" =>
  error._tag === "GidsUnavailable" ? "hpc-user-api" : "waldur"

/**
 * Reads all of Waldur and makes the tree of it: the pages, then each offering's customers beside the GIDs, then the
 * hierarchy.
 *
 * @param last the last good snapshot. Without one, a GID that cannot be asked for fails the read; with one only where a
 *   resource is concerned that was served, so that a new project does not stop the others
 */
export const readSnapshot = Effect.fn("readSnapshot")(function* (
  last: Snapshot | undefined,
): Effect.fn.Return<Snapshot, RefreshError, WaldurClient | ProjectGids | Settings> {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  const gids = yield* ProjectGids
  const takenAt = yield* Clock.currentTimeMillis

  const read = yield* waldur.readResources({
    offeringSlugs: model.storageSystems.map(({ offeringSlug }) => offeringSlug),
    fields: waldurResourceFields,
  })
  const decoded = decodeResources(read.rows)
  const invisibleOfferings = yield* offeringsNotSeen(decoded.resources)
  const { customers, found } = yield* Effect.all(
    {
      customers: readCustomers(decoded.resources),
      found: gids.of(projectsWithoutItem(decoded, model)),
    },
    { concurrency: "unbounded" },
  )
  const hierarchy = buildHierarchy({ decoded, customers, gids: found.answers, settings: model })

  const withoutGid = hierarchy.skipped.filter(({ code }) => code === "gid-unavailable")
  const lost = last === undefined ? withoutGid : withoutGid.filter(({ uuid }) => uuid !== null && last.served.has(uuid))
  if (lost.length > 0) {
    return yield* new GidsUnavailable({ resources: lost.length, detail: found.failure ?? lost[0]?.reason ?? "" })
  }
  return {
    takenAt,
    hierarchy,
    served: servedResources(hierarchy),
    mockedGids: found.mocked,
    invisibleOfferings,
    gidFailure: found.failure,
  }
})

/** Each offering's customers. A list that cannot be read costs names, not the tree: it is left out, and said. */
const readCustomers = Effect.fnUntraced(function* (
  resources: ReadonlyArray<WaldurResource>,
): Effect.fn.Return<ReadonlyMap<string, ReadonlyArray<OfferingCustomer>>, never, WaldurClient> {
  const waldur = yield* WaldurClient
  const offerings = [...new Set(resources.map((resource) => resource.offering_uuid))]
  const lists = yield* Effect.forEach(
    offerings,
    (offering) =>
      waldur.offeringCustomers(offering).pipe(
        Effect.map(
          (customers): ReadonlyArray<readonly [string, ReadonlyArray<OfferingCustomer>]> => [[offering, customers]],
        ),
        Effect.catch((error) =>
          Effect.as(
            Effect.logWarning("Customers cannot be read; they are named as their resources name them").pipe(
              Effect.annotateLogs({ offering, error: error.message }),
            ),
            [],
          ),
        ),
      ),
    { concurrency: "unbounded" },
  )
  return new Map(lists.flat())
})

/**
 * Configured offerings without any resource that the token does not see at all. Waldur answers both with an empty list;
 * only the offerings tell a missing role from an empty system.
 */
const offeringsNotSeen = Effect.fnUntraced(function* (
  resources: ReadonlyArray<WaldurResource>,
): Effect.fn.Return<ReadonlyArray<string>, RefreshError, WaldurClient | Settings> {
  const { model } = yield* Settings
  const waldur = yield* WaldurClient
  const slugs = model.storageSystems.map(({ offeringSlug }) => offeringSlug)
  const filled = new Set(resources.map((resource) => resource.offering_slug))
  if (slugs.every((slug) => filled.has(slug))) return []
  const seen = new Set((yield* waldur.offerings()).map(({ slug }) => slug))
  const notSeen = slugs.filter((slug) => !filled.has(slug) && !seen.has(slug))
  if (notSeen.length === slugs.length) return yield* new OfferingsInvisible({ slugs })
  return notSeen
})
