/** What is known of the projects' Unix GIDs: from the HPC User API, from before the start, or mocks. */
import { type GidCacheStats, type GidLookup, type HpcUserApiError, HpcUserClient } from "@cscs/hpc-user-client"
import { cooperatively, elapsedMillis } from "@cscs/http-transport"
import { mockGid } from "@cscs/storage-model"
import { Context, Duration, Effect, Layer } from "effect"
import { Settings } from "../config/settings.ts"
import type { Snapshot } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import { hpcUserApiMessage } from "./refresh-errors.ts"

/**
 * How long GIDs of an earlier process are used while the HPC User API is down, from when that process read them: longer
 * than an outage that goes unnoticed overnight, and short enough to notice a GID that is reassigned meanwhile.
 */
const rememberedFor = Duration.toMillis("1 day")
/** How far a timestamp of another process may be ahead of our clock, in milliseconds. */
const clockSlack = 60_000

/** An empty cache: that of a proxy without an HPC User API, since mocks are never cached. */
export const emptyGidCache: GidCacheStats = {
  total_entries: 0,
  cache_policy: "Persists until server restart",
  projects: [],
}

/** What is known of a project's GID, in the form that the tree takes. */
export type ProjectGid =
  | { readonly status: "known"; readonly gid: number; readonly origin: "api" }
  /** An earlier process read it at `readAt`, in milliseconds since 1970; the API fails now. */
  | {
      readonly status: "known"
      readonly gid: number
      readonly origin: "remembered"
      readonly readAt: number
      readonly failure: HpcUserApiError
    }
  /**
   * `from` names the source in explanations, with the reason for the mock; `failure` is `undefined` if the API does not
   * know the project or is not configured.
   */
  | {
      readonly status: "known"
      readonly gid: number
      readonly origin: "mock"
      readonly from: string
      readonly failure: HpcUserApiError | undefined
    }
  /** The API responded and has no usable GID. */
  | { readonly status: "unknown"; readonly reason: string }
  /** The API fails. Nothing is known. */
  | { readonly status: "unavailable"; readonly reason: string; readonly failure: HpcUserApiError }

/** What is known of some projects' GIDs, by project slug. */
export type ProjectGids = ReadonlyMap<string, ProjectGid>

/**
 * The owner of what is known of GIDs. GIDs from before the start count only until the API has responded once, because a
 * restart must cure a wrong GID. Mocks are generated anew each time and never cached.
 */
export class GidSource extends Context.Service<
  GidSource,
  {
    /**
     * What is known of these projects now.
     *
     * @param earlier what the same refresh has looked up: it is not looked up again
     */
    readonly of: (projectSlugs: ReadonlySet<string>, earlier?: ProjectGids) => Effect.Effect<ProjectGids>
    /** Does work ahead of time that the first lookup would wait for. */
    readonly prepare: Effect.Effect<void>
    /**
     * Takes GIDs that another process read from the HPC User API, unless they are older than those taken before. They are
     * used while the API fails, until a day after `readAt` or until it first responds; never if mocks are the fallback.
     *
     * @param readAt when that process read them, in milliseconds since 1970; if it is more than a minute in the future,
     *   the age is unknown and they are not used
     */
    readonly remember: (gids: ReadonlyMap<string, number>, readAt: number) => Effect.Effect<void>
    /** The state of the GID cache. */
    readonly cacheStats: Effect.Effect<GidCacheStats>
  }
>()("@cscs/proxy-server/GidSource") {
  static readonly layer: Layer.Layer<GidSource, never, Settings | HpcUserClient> = Layer.effect(
    GidSource,
    Effect.gen(function* () {
      const { mockGids } = yield* Settings
      const client = yield* HpcUserClient
      let remembered: Remembered | undefined

      /** The GIDs from before the start, while they count. */
      const fromBefore = Effect.gen(function* () {
        const isOver = remembered !== undefined && (yield* elapsedMillis) >= remembered.until
        if (isOver || (yield* client.hasResponded())) remembered = undefined
        return remembered
      })
      const replacementOf = (slug: string, failure: HpcUserApiError, before: Remembered | undefined): ProjectGid => {
        if (mockGids) return mock(slug, mocksAreFallback, failure)
        const gid = before?.gids.get(slug)
        return before === undefined || gid === undefined
          ? { status: "unavailable", reason: failure.message, failure }
          : { status: "known", gid, origin: "remembered", readAt: before.readAt, failure }
      }

      return GidSource.of({
        prepare: client.prepare(),
        cacheStats: client.getGidCacheStats(),
        remember: Effect.fnUntraced(function* (gids, readAt) {
          const age = (yield* steadyMillis) - readAt
          const until = (yield* elapsedMillis) + rememberedFor - Math.max(age, 0)
          const isNewest = remembered === undefined || readAt >= remembered.readAt
          if (isNewest && age >= -clockSlack && age < rememberedFor) remembered = { gids, readAt, until }
        }),
        of: Effect.fn("GidSource.of")(function* (slugs, earlier = nothing) {
          const fresh: Array<string> = []
          yield* cooperatively(slugs, (slug) => {
            if (!earlier.has(slug)) fresh.push(slug)
          })
          const lookup = yield* client.gids(fresh)
          const before = yield* fromBefore
          const found = new Map<string, ProjectGid>()
          yield* cooperatively(slugs, (slug) => {
            const known = earlier.get(slug) ?? resultFor(slug, lookup)
            const failure = failureOf(known)
            if (failure !== undefined) found.set(slug, replacementOf(slug, failure, before))
            else if (known.status === "unknown" && mockGids) found.set(slug, mock(slug, mocksAreFallback))
            else found.set(slug, known)
          })
          return found
        }),
      })
    }),
  )

  /** Without an HPC User API: every GID is a mock. */
  static readonly mockLayer: Layer.Layer<GidSource> = Layer.succeed(GidSource)({
    prepare: Effect.void,
    remember: () => Effect.void,
    cacheStats: Effect.succeed(emptyGidCache),
    of: (slugs) => Effect.succeed(new Map(Array.from(slugs, (slug) => [slug, mock(slug, noApi)]))),
  })
}

/** GIDs of an earlier process. */
interface Remembered {
  readonly gids: ReadonlyMap<string, number>
  readonly readAt: number
  /** On the monotonic clock, in milliseconds. */
  readonly until: number
}

const nothing: ProjectGids = new Map()
const mocksAreFallback = "mock: hpc_user_api.fallback is mock"
const noApi = "mock: no HPC User API is configured"

const mock = (slug: string, from: string, failure?: HpcUserApiError): ProjectGid => ({
  status: "known",
  gid: mockGid(slug),
  origin: "mock",
  from,
  failure,
})

/** The API's own result for a project; each is in one of the three maps. */
const resultFor = (slug: string, { known, unknown, failed }: GidLookup): ProjectGid => {
  const gid = known.get(slug)
  if (gid !== undefined) return { status: "known", gid, origin: "api" }
  const failure = failed.get(slug)
  return failure === undefined
    ? { status: "unknown", reason: unknown.get(slug) ?? "" }
    : { status: "unavailable", reason: failure.message, failure }
}

/** Why the API could not be queried for a project, whether or not a GID replaces its result. */
export const failureOf = (gid: ProjectGid): HpcUserApiError | undefined => ("failure" in gid ? gid.failure : undefined)

/** What a snapshot records of its projects' GIDs. */
export const gidsInSnapshot = Effect.fnUntraced(function* (
  gids: ProjectGids,
): Effect.fn.Return<Pick<Snapshot, "mockedGids" | "gidFailure" | "gids" | "gidsReadAt">> {
  const real = new Map<string, number>()
  let mockedGids = 0
  let gidFailure: HpcUserApiError | undefined
  let gidsReadAt: number | undefined
  yield* cooperatively(gids, ([project, one]) => {
    gidFailure ??= failureOf(one)
    if (one.status !== "known") return
    if (one.origin === "mock") mockedGids += 1
    else real.set(project, one.gid)
    if (one.origin === "remembered") gidsReadAt ??= one.readAt
  })
  return { mockedGids, gidFailure, gids: real, gidsReadAt }
})

/** The operator's message if GIDs cannot be looked up, and until when those of an earlier process are used instead. */
export const gidFailureInWords = ({
  gidFailure,
  gidsReadAt,
}: Pick<Snapshot, "gidFailure" | "gidsReadAt">): string | undefined => {
  if (gidFailure === undefined) return undefined
  const words = hpcUserApiMessage(gidFailure)
  return gidsReadAt === undefined
    ? words
    : `${words}; GIDs that an earlier process read are used until ${new Date(gidsReadAt + rememberedFor).toISOString()}`
}
