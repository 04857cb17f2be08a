/** Looks up the Unix GIDs of projects. */
import { type GidCacheStats, HpcUserClient } from "@cscs/hpc-user-client"
import { elapsedMillis } from "@cscs/http-transport"
import { type GidAnswer, mockGid } from "@cscs/storage-model"
import { Context, Duration, Effect, Layer } from "effect"
import { Settings } from "../config/settings.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"

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

/** The GIDs of some projects, and their origin. */
export interface GidAnswers {
  readonly answers: ReadonlyMap<string, GidAnswer>
  /** Projects with a mock GID. */
  readonly mocked: ReadonlySet<string>
  /** Projects whose GID comes from before the start. */
  readonly remembered: ReadonlySet<string>
  /** When an earlier process read those, in milliseconds since 1970; `undefined` if there are none. */
  readonly rememberedReadAt: number | undefined
  /** Why the HPC User API could not be asked for some projects, in words; `undefined` if it could. */
  readonly failure: string | undefined
}

/**
 * The source of the tree's GIDs: the HPC User API, mocks, or the API with mocks if it has none. Mocks are generated
 * anew each time and never cached.
 */
export class ProjectGids extends Context.Service<
  ProjectGids,
  {
    readonly of: (projectSlugs: ReadonlySet<string>) => Effect.Effect<GidAnswers>
    /** Does work ahead of time that the first lookup would wait for. */
    readonly prepare: Effect.Effect<void>
    /**
     * Takes GIDs that another process read from the HPC User API. They are used only until the API has answered once
     * since our start, because a restart must cure a wrong GID, and for at most a day.
     *
     * @param readAt when that process read them, in milliseconds since 1970; if it is in the future, the age is unknown
     *   and they are not used
     */
    readonly remember: (gids: ReadonlyMap<string, number>, readAt: number) => Effect.Effect<void>
    /** Whether the HPC User API has answered since our start. */
    readonly hasAnswered: Effect.Effect<boolean>
    /** The state of the GID cache. */
    readonly cacheStats: Effect.Effect<GidCacheStats>
  }
>()("@cscs/proxy-server/ProjectGids") {
  static readonly layer: Layer.Layer<ProjectGids, never, Settings | HpcUserClient> = Layer.effect(
    ProjectGids,
    Effect.gen(function* () {
      const { mockGids } = yield* Settings
      const client = yield* HpcUserClient
      let remembered: Remembered | undefined
      return ProjectGids.of({
        prepare: client.prepare(),
        hasAnswered: client.hasResponded(),
        cacheStats: client.getGidCacheStats(),
        remember: Effect.fnUntraced(function* (gids, readAt) {
          const age = (yield* steadyMillis) - readAt
          const isUsable = age >= -clockSlack && age < rememberedFor && !(yield* client.hasResponded())
          const until = (yield* elapsedMillis) + rememberedFor - Math.max(age, 0)
          remembered = isUsable ? { gids, readAt, until } : undefined
        }),
        of: Effect.fn("ProjectGids.of")(function* (slugs) {
          const lookup = yield* client.gids(slugs)
          const answers = new Map<string, GidAnswer>()
          for (const [slug, gid] of lookup.known) answers.set(slug, { status: "known", gid })
          for (const [slug, reason] of lookup.unknown) answers.set(slug, { status: "unknown", reason })
          for (const [slug, error] of lookup.failed) answers.set(slug, { status: "unavailable", reason: error.message })
          const [failure] = lookup.failed.values()
          const mocked = new Set(mockGids ? [...lookup.unknown.keys(), ...lookup.failed.keys()] : [])
          for (const slug of mocked) answers.set(slug, mock(slug))
          const isOver = remembered !== undefined && (yield* elapsedMillis) >= remembered.until
          if (isOver || (yield* client.hasResponded())) remembered = undefined
          const fromBefore = new Set<string>()
          for (const slug of lookup.failed.keys()) {
            const gid = remembered?.gids.get(slug)
            if (gid === undefined || mocked.has(slug)) continue
            answers.set(slug, { status: "known", gid })
            fromBefore.add(slug)
          }
          const rememberedReadAt = fromBefore.size === 0 ? undefined : remembered?.readAt
          return {
            answers,
            mocked,
            remembered: fromBefore,
            rememberedReadAt,
            failure: failure?.message,
          }
        }),
      })
    }),
  )

  /** Without an HPC User API: every GID is a mock. */
  static readonly mockLayer: Layer.Layer<ProjectGids> = Layer.succeed(ProjectGids)({
    prepare: Effect.void,
    remember: () => Effect.void,
    hasAnswered: Effect.succeed(false),
    cacheStats: Effect.succeed(emptyGidCache),
    of: (slugs) =>
      Effect.succeed({
        answers: new Map(Array.from(slugs, (slug) => [slug, mock(slug)])),
        mocked: slugs,
        remembered: new Set(),
        rememberedReadAt: undefined,
        failure: undefined,
      }),
  })
}

/** GIDs of an earlier process. */
interface Remembered {
  readonly gids: ReadonlyMap<string, number>
  readonly readAt: number
  /** On the monotonic clock, in milliseconds. */
  readonly until: number
}

/** The operator's message for GIDs that fail, and for those of an earlier process that are used meanwhile. */
export const gidFailureInWords = ({ failure, rememberedReadAt }: GidAnswers): string | undefined =>
  failure === undefined || rememberedReadAt === undefined
    ? failure
    : `${failure}; GIDs that an earlier process read are used until ${new Date(rememberedReadAt + rememberedFor).toISOString()}`

const mock = (slug: string): GidAnswer => ({ status: "known", gid: mockGid(slug) })
