import { HpcUserClient } from "@cscs/hpc-user-client"
import { type GidAnswer, mockGid } from "@cscs/storage-model"
import { Context, Effect, Layer } from "effect"
import { Settings } from "../config/settings.ts"

/** The GIDs of some projects, and how they were come by. */
export interface GidAnswers {
  readonly answers: ReadonlyMap<string, GidAnswer>
  /** Those whose GID is made up. */
  readonly mocked: ReadonlySet<string>
  /** Those whose GID is one of before the start. */
  readonly remembered: ReadonlySet<string>
  /** Why the HPC User API could not be asked for some of them, in words; `undefined` where it could. */
  readonly failure: string | undefined
}

/**
 * Where the GIDs of the tree come from: the HPC User API, mocks, or the API with mocks where it gives none. Mocks are
 * made anew each time, so that none ever stands in a cache.
 */
export class ProjectGids extends Context.Service<
  ProjectGids,
  {
    readonly of: (projectSlugs: ReadonlySet<string>) => Effect.Effect<GidAnswers>
    /** Does beforehand what the first lookup would have to wait for. */
    readonly prepare: Effect.Effect<void>
    /**
     * Takes GIDs that another process got from the HPC User API. They serve only until the API has answered once since our
     * start: a restart is the cure for a wrong GID.
     */
    readonly remember: (gids: ReadonlyMap<string, number>) => Effect.Effect<void>
    /** Whether the HPC User API has answered since our start. */
    readonly hasAnswered: Effect.Effect<boolean>
  }
>()("@cscs/proxy-server/ProjectGids") {
  static readonly layer: Layer.Layer<ProjectGids, never, Settings | HpcUserClient> = Layer.effect(
    ProjectGids,
    Effect.gen(function* () {
      const { mockGids } = yield* Settings
      const client = yield* HpcUserClient
      let remembered: ReadonlyMap<string, number> = new Map()
      return ProjectGids.of({
        prepare: client.prepare(),
        hasAnswered: client.hasAnswered(),
        remember: (gids) =>
          Effect.map(client.hasAnswered(), (hasAnswered) => {
            remembered = hasAnswered ? new Map() : gids
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
          if (yield* client.hasAnswered()) remembered = new Map()
          const fromBefore = new Set<string>()
          for (const slug of lookup.failed.keys()) {
            const gid = remembered.get(slug)
            if (gid === undefined || mocked.has(slug)) continue
            answers.set(slug, { status: "known", gid })
            fromBefore.add(slug)
          }
          return { answers, mocked, remembered: fromBefore, failure: failure?.message }
        }),
      })
    }),
  )

  /** Without any HPC User API: every GID is made up. */
  static readonly mockLayer: Layer.Layer<ProjectGids> = Layer.succeed(ProjectGids)({
    prepare: Effect.void,
    remember: () => Effect.void,
    hasAnswered: Effect.succeed(false),
    of: (slugs) =>
      Effect.succeed({
        answers: new Map(Array.from(slugs, (slug) => [slug, mock(slug)])),
        mocked: slugs,
        remembered: new Set(),
        failure: undefined,
      }),
  })
}

const mock = (slug: string): GidAnswer => ({ status: "known", gid: mockGid(slug) })
