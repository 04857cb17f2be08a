import { type GidLookup, HpcUserApiRejected, HpcUserClient } from "@cscs/hpc-user-client"
import { WaldurClient } from "@cscs/waldur-client"
import { Effect, Layer } from "effect"
import { describe, expect, test } from "vitest"
import { Settings } from "../src/index.ts"
import { lookupSession, sameLookups, stillGood } from "../src/refresh/lookups.ts"
import { ProjectGids } from "../src/refresh/project-gids.ts"
import type { Any } from "./a-proxy.ts"

/** The HPC User API's result for each project: a GID, `"unknown"`, or none if the API is down. */
type Says = Readonly<Record<string, number | "unknown">>

/** GIDs from an API with other results at each step. */
const overApi = <A>(
  act: (api: { says: Says }) => Effect.Effect<A, never, ProjectGids | WaldurClient | Any>,
  mockGids = false,
): Promise<A> => {
  const api: { says: Says } = { says: {} }
  let hasAnswered = false
  const client = {
    prepare: () => Effect.void,
    hasResponded: () => Effect.sync(() => hasAnswered),
    getGidCacheStats: () => Effect.succeed({ total_entries: 0, cache_policy: "", projects: [] }),
    gids: (names: Iterable<string>) =>
      Effect.sync((): GidLookup => {
        const lookup = { known: new Map(), unknown: new Map(), failed: new Map() }
        for (const name of names) {
          const said = api.says[name]
          if (said === undefined) lookup.failed.set(name, down)
          else if (said === "unknown") lookup.unknown.set(name, "the API does not know it")
          else lookup.known.set(name, said)
        }
        hasAnswered ||= lookup.known.size + lookup.unknown.size > 0
        return lookup
      }),
  }
  const gids = ProjectGids.layer.pipe(
    Layer.provide(Layer.succeed(HpcUserClient)(client as Any)),
    Layer.provide(Layer.succeed(Settings)({ mockGids } as Any)),
  )
  const waldur = Layer.succeed(WaldurClient)({ offeringCustomers: () => Effect.succeed([]) } as Any)
  return Effect.runPromise(Effect.scoped(act(api)).pipe(Effect.provide(Layer.merge(gids, waldur))) as Effect.Effect<A>)
}
const down = new HpcUserApiRejected({ call: "GET projects", status: 403, detail: "no" })

const known = (gid: number) => ({ status: "known", gid })
const fromFile = new Map([
  ["bio", 40_001],
  ["chem", 40_002],
])
const projects = (...names: ReadonlyArray<string>) => new Set(names)
const need = (...names: ReadonlyArray<string>) => ({ offerings: new Set<string>(), projects: projects(...names) })
const settle = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

describe("GIDs from before the start", () => {
  test("are served for projects that the API fails for, and are marked", () =>
    overApi(() =>
      Effect.gen(function* () {
        const gids = yield* ProjectGids
        yield* gids.remember(fromFile, Date.now())
        const { answers, remembered, failure, mocked } = yield* gids.of(projects("bio", "new"))
        expect(answers.get("bio")).toEqual(known(40_001))
        expect(answers.get("new")?.status).toBe("unavailable")
        expect([[...remembered], mocked.size, failure]).toEqual([["bio"], 0, down.message])
      }),
    ))

  test.each<[string, Says]>([
    ["a GID", { other: 41_000 }],
    ["that it knows nothing", { other: "unknown" }],
  ])("are forgotten once it returns %s for any project, in the same lookup or before it", (_, says) =>
    overApi((api) =>
      Effect.gen(function* () {
        const gids = yield* ProjectGids
        yield* gids.remember(fromFile, Date.now())
        expect((yield* gids.of(projects("bio"))).remembered.size).toBe(1)
        api.says = says
        const same = yield* gids.of(projects("bio", "other"))
        expect([same.answers.get("bio")?.status, same.remembered.size]).toEqual(["unavailable", 0])
        api.says = {}
        const later = yield* gids.of(projects("bio", "chem"))
        expect([...later.answers.values()].map(({ status }) => status)).toEqual(["unavailable", "unavailable"])
        // They do not come back.
        yield* gids.remember(fromFile, Date.now())
        expect((yield* gids.of(projects("bio"))).remembered.size).toBe(0)
      }),
    ),
  )

  test("give way to the API's own results", () =>
    overApi((api) =>
      Effect.gen(function* () {
        const gids = yield* ProjectGids
        yield* gids.remember(fromFile, Date.now())
        api.says = { bio: 45_000, chem: "unknown" }
        const { answers, remembered } = yield* gids.of(projects("bio", "chem"))
        expect([answers.get("bio"), answers.get("chem")?.status]).toEqual([known(45_000), "unknown"])
        expect(remembered.size).toBe(0)
      }),
    ))

  test("give way to a mock if mocks are enabled", () =>
    overApi(
      () =>
        Effect.gen(function* () {
          const gids = yield* ProjectGids
          yield* gids.remember(fromFile, Date.now())
          const { mocked, remembered } = yield* gids.of(projects("bio"))
          expect([[...mocked], remembered.size]).toEqual([["bio"], 0])
        }),
      true,
    ))
})

describe("a refresh", () => {
  test("in which the API responds after a failure ends without a GID from before the start", () =>
    overApi((api) =>
      Effect.gen(function* () {
        yield* (yield* ProjectGids).remember(fromFile, Date.now())
        const desk = yield* lookupSession(undefined)
        yield* desk.ahead(need("bio"))
        yield* settle
        api.says = { other: "unknown" }
        const { gids } = yield* desk.complete(need("bio", "other"))
        expect([gids.answers.get("bio")?.status, gids.remembered.size]).toEqual(["unavailable", 0])
        expect(gids.answers.get("bio")).toMatchObject({ reason: down.message })
      }),
    ))

  test("while the API is down has them, and reports for which projects", () =>
    overApi(() =>
      Effect.gen(function* () {
        yield* (yield* ProjectGids).remember(fromFile, Date.now())
        const desk = yield* lookupSession(undefined)
        yield* desk.ahead(need("bio", "chem"))
        // Those that turn out not to be needed are not reported.
        const { gids } = yield* desk.complete(need("bio"))
        expect([[...gids.answers], [...gids.remembered], gids.failure]).toEqual([
          [["bio", known(40_001)]],
          ["bio"],
          down.message,
        ])
      }),
    ))

  test("that continues one with such GIDs looks each up again; only the API's own are retained", () =>
    overApi((api) =>
      Effect.gen(function* () {
        yield* (yield* ProjectGids).remember(fromFile, Date.now())
        const first = yield* (yield* lookupSession(undefined)).complete(need("bio", "chem"))
        const held = stillGood(first, [])
        expect([held.gids.answers.size, held.gids.remembered.size]).toEqual([0, 0])
        const still = yield* (yield* lookupSession(held)).complete(need("bio", "chem"))
        expect(sameLookups(still, first)).toBe(true)
        // The same numbers, but now from the API: if they counted as equal, the next refresh would not know.
        api.says = { bio: 40_001, chem: 40_002 }
        const back = yield* (yield* lookupSession(stillGood(still, []))).complete(need("bio", "chem"))
        expect(sameLookups(back, first)).toBe(false)
        expect([...stillGood(back, []).gids.answers]).toEqual([
          ["bio", known(40_001)],
          ["chem", known(40_002)],
        ])
      }),
    ))
})
