import {
  type GidLookup,
  HpcUserApiRejected,
  HpcUserApiUnavailable,
  HpcUserClient,
  TokenRefused,
} from "@cscs/hpc-user-client"
import { TransportFailure } from "@cscs/http-transport"
import { WaldurClient } from "@cscs/waldur-client"
import { Effect, Layer, Schema } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Settings } from "../src/index.ts"
import { GidSource, gidFailureInWords, gidsInSnapshot, type ProjectGids } from "../src/refresh/gid-source.ts"
import { lookupSession, sameLookups, stillGood } from "../src/refresh/lookups.ts"
import { errorAnnotations, GidsUnavailable, RefreshError } from "../src/refresh/refresh-errors.ts"
import type { Any } from "./a-proxy.ts"

/** The HPC User API's result for each project: a GID, `"unknown"`, none if the API is down, or `"never"`. */
type Responses = Readonly<Record<string, number | "unknown" | "never">>

/** GIDs from an API with other results at each step. */
const overApi = <A>(
  act: (api: { responses: Responses }) => Effect.Effect<A, never, GidSource | WaldurClient | Any>,
  mockGids = false,
): Promise<A> => {
  const api: { responses: Responses } = { responses: {} }
  let hasResponded = false
  const client = {
    prepare: () => Effect.void,
    hasResponded: () => Effect.sync(() => hasResponded),
    getGidCacheStats: () => Effect.succeed({ total_entries: 0, cache_policy: "", projects: [] }),
    gids: (names: Iterable<string>) =>
      Effect.suspend((): Effect.Effect<GidLookup> => {
        const lookup = { known: new Map(), unknown: new Map(), failed: new Map() }
        for (const name of names) {
          const response = api.responses[name]
          if (response === "never") return Effect.never
          if (response === undefined) lookup.failed.set(name, down)
          else if (response === "unknown") lookup.unknown.set(name, "the API does not know it")
          else lookup.known.set(name, response)
        }
        hasResponded ||= lookup.known.size + lookup.unknown.size > 0
        return Effect.succeed(lookup)
      }),
  }
  const gids = GidSource.layer.pipe(
    Layer.provide(Layer.succeed(HpcUserClient)(client as Any)),
    Layer.provide(Layer.succeed(Settings)({ mockGids } as Any)),
  )
  const waldur = Layer.succeed(WaldurClient)({ offeringCustomers: () => Effect.succeed([]) } as Any)
  return Effect.runPromise(Effect.scoped(act(api)).pipe(Effect.provide(Layer.merge(gids, waldur))) as Effect.Effect<A>)
}
const timeout = new TransportFailure({
  upstream: "hpc-user-api",
  call: "GET projects",
  reason: "timeout",
  detail: "none",
})
const down = new HpcUserApiRejected({ call: "GET projects", status: 403, detail: "no" })

const known = (gid: number, origin = "api") => expect.objectContaining({ status: "known", gid, origin })
/** The projects whose GID is from before the start. */
const rememberedIn = (gids: ProjectGids) =>
  [...gids].flatMap(([slug, gid]) => (gid.status === "known" && gid.origin === "remembered" ? [slug] : []))
const fromFile = new Map([
  ["bio", 40_001],
  ["chem", 40_002],
])
const projects = (...names: ReadonlyArray<string>) => new Set(names)
const need = (...names: ReadonlyArray<string>) => ({ offerings: new Set<string>(), projects: projects(...names) })
const settle = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

describe("GIDs from before the start", () => {
  test("are used for projects that the API fails for, and are marked", () =>
    overApi(() =>
      Effect.gen(function* () {
        const source = yield* GidSource
        yield* source.remember(fromFile, Date.now())
        const gids = yield* source.of(projects("bio", "new"))
        expect(gids.get("bio")).toEqual(known(40_001, "remembered"))
        expect(gids.get("new")).toEqual({ status: "unavailable", reason: down.message, failure: down })
        expect(yield* gidsInSnapshot(gids)).toMatchObject({
          mockedGids: 0,
          gidFailure: down,
          gids: new Map([["bio", 40_001]]),
        })
      }),
    ))

  test.each<[string, Responses]>([
    ["a GID", { other: 41_000 }],
    ["that it knows nothing", { other: "unknown" }],
  ])("are forgotten once it returns %s for any project, in the same lookup or before it", (_, responses) =>
    overApi((api) =>
      Effect.gen(function* () {
        const source = yield* GidSource
        yield* source.remember(fromFile, Date.now())
        expect(rememberedIn(yield* source.of(projects("bio")))).toEqual(["bio"])
        api.responses = responses
        const same = yield* source.of(projects("bio", "other"))
        expect([same.get("bio")?.status, rememberedIn(same)]).toEqual(["unavailable", []])
        api.responses = {}
        const later = yield* source.of(projects("bio", "chem"))
        expect([...later.values()].map(({ status }) => status)).toEqual(["unavailable", "unavailable"])
        // They are not restored.
        yield* source.remember(fromFile, Date.now())
        expect(rememberedIn(yield* source.of(projects("bio")))).toEqual([])
      }),
    ),
  )

  test.each([
    ["older", 60_000],
    ["of an unknown age", -3_600_000],
  ])("are not replaced by those of another process that are %s", (_, age) =>
    overApi(() =>
      Effect.gen(function* () {
        const source = yield* GidSource
        yield* source.remember(fromFile, Date.now())
        yield* source.remember(new Map([["bio", 40_009]]), Date.now() - age)
        expect([...(yield* source.of(projects("bio", "chem"))).values()]).toEqual([
          known(40_001, "remembered"),
          known(40_002, "remembered"),
        ])
      }),
    ),
  )

  test("are replaced by the API's own results", () =>
    overApi((api) =>
      Effect.gen(function* () {
        const source = yield* GidSource
        yield* source.remember(fromFile, Date.now())
        api.responses = { bio: 45_000, chem: "unknown" }
        const gids = yield* source.of(projects("bio", "chem"))
        expect([gids.get("bio"), gids.get("chem")?.status]).toEqual([known(45_000), "unknown"])
        expect(rememberedIn(gids)).toEqual([])
      }),
    ))

  test("are replaced by a mock if mocks are enabled", () =>
    overApi(
      () =>
        Effect.gen(function* () {
          const source = yield* GidSource
          yield* source.remember(fromFile, Date.now())
          const gids = yield* source.of(projects("bio"))
          expect([gids.get("bio"), rememberedIn(gids)]).toEqual([expect.objectContaining({ origin: "mock" }), []])
          expect(yield* gidsInSnapshot(gids)).toMatchObject({ mockedGids: 1, gidFailure: down, gids: new Map() })
        }),
      true,
    ))

  test("never count after the API's first response, whatever fails and is remembered in between", () => {
    const slug = fc.constantFrom("bio", "chem", "new")
    const step = fc.oneof(
      fc.record({ remember: fc.dictionary(slug, fc.integer({ min: 40_000, max: 50_000 })) }),
      fc.record({
        needed: fc.uniqueArray(slug, { minLength: 1 }),
        responses: fc.dictionary(
          slug,
          fc.option(fc.integer({ min: 50_001, max: 60_000 }), { nil: "unknown" as const }),
        ),
      }),
    )
    return fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), (steps) =>
        overApi((api) =>
          Effect.gen(function* () {
            const source = yield* GidSource
            let before: Readonly<Record<string, number>> = {}
            let hasResponded = false
            let found: ProjectGids = new Map()
            for (const one of steps) {
              if ("remember" in one) {
                before = one.remember
                yield* source.remember(new Map(Object.entries(before)), Date.now())
                continue
              }
              api.responses = one.responses
              // As in a refresh: pages first, then all that is needed, with the results of the pages.
              found = yield* source.of(projects(...one.needed), yield* source.of(projects(...one.needed.slice(1))))
              hasResponded ||= one.needed.some((slug) => Object.hasOwn(one.responses, slug))
              for (const slug of one.needed) {
                const response = Object.hasOwn(one.responses, slug) ? one.responses[slug] : undefined
                const gid = found.get(slug)
                if (response === "unknown") expect(gid?.status).toBe("unknown")
                else if (response !== undefined) expect(gid).toEqual(known(response))
                else if (hasResponded || !Object.hasOwn(before, slug)) expect(gid?.status).toBe("unavailable")
                else expect(gid).toEqual(known(Number(before[slug]), "remembered"))
              }
            }
          }),
        ),
      ),
      { numRuns: 200 },
    )
  })
})

describe("a failure of the HPC User API", () => {
  test.each([
    new TokenRefused({ tokenUrl: "https://issuer/token", status: 401, error: "invalid_client" }),
    new HpcUserApiUnavailable({ failure: timeout }),
    down,
  ])("reaches other replicas with its tag and message: $_tag", (failure) => {
    const asText = Schema.fromJsonString(RefreshError)
    expect(new GidsUnavailable({ resources: 1, failure }).message).toMatch(/^1 resource lacks its GID: /)
    const error = new GidsUnavailable({ resources: 2, failure })
    const published = Schema.decodeSync(asText)(Schema.encodeSync(asText)(error))
    expect([published, published.message]).toEqual([error, error.message])
    expect(errorAnnotations(published)).toMatchObject({ error: "GidsUnavailable", caused_by: failure._tag })
  })

  test.each([
    [
      "names the remedy if an operator must act",
      new TokenRefused({ tokenUrl: "https://issuer/token", status: 401 }),
      "Correct",
    ],
    ["names none if it may pass by itself", new HpcUserApiUnavailable({ failure: timeout }), undefined],
  ])("%s", (_, gidFailure, remedy) => {
    const words = gidFailureInWords({ gidFailure, gidsReadAt: undefined })
    expect(words?.startsWith(gidFailure.message)).toBe(true)
    expect(words?.includes("Correct hpc_user_api.client_id and client_secret")).toBe(remedy !== undefined)
  })
})

describe("a refresh", () => {
  test("in which the API responds after a failure ends without a GID from before the start", () =>
    overApi((api) =>
      Effect.gen(function* () {
        yield* (yield* GidSource).remember(fromFile, Date.now())
        const session = yield* lookupSession(undefined)
        yield* session.prefetch(need("bio"))
        yield* settle
        api.responses = { other: "unknown" }
        const { gids } = yield* session.resolve(need("bio", "other"))
        expect([gids.get("bio")?.status, rememberedIn(gids)]).toEqual(["unavailable", []])
        expect(gids.get("bio")).toMatchObject({ reason: down.message })
      }),
    ))

  test("while the API is down uses GIDs from before the start, and reports only the needed projects", () =>
    overApi(() =>
      Effect.gen(function* () {
        yield* (yield* GidSource).remember(fromFile, Date.now())
        const session = yield* lookupSession(undefined)
        yield* session.prefetch(need("bio", "chem"))
        // Those that turn out not to be needed are not reported.
        const { gids } = yield* session.resolve(need("bio"))
        expect([[...gids], rememberedIn(gids), (yield* gidsInSnapshot(gids)).gidFailure]).toEqual([
          [["bio", known(40_001, "remembered")]],
          ["bio"],
          down,
        ])
      }),
    ))

  test("does not wait for a lookup of projects that turn out not to be needed", () =>
    overApi((api) =>
      Effect.gen(function* () {
        api.responses = { bio: 40_001, chem: 40_002, gone: "never" }
        const session = yield* lookupSession(undefined)
        yield* session.prefetch(need("bio"))
        yield* session.prefetch(need("gone"))
        const { gids } = yield* session.resolve(need("bio", "chem"))
        expect([...gids.keys()]).toEqual(["bio", "chem"])
      }),
    ))

  test("that continues one with such GIDs looks each up again; only the API's own are retained", () =>
    overApi((api) =>
      Effect.gen(function* () {
        yield* (yield* GidSource).remember(fromFile, Date.now())
        const first = yield* (yield* lookupSession(undefined)).resolve(need("bio", "chem"))
        const retained = stillGood(first, [])
        expect(retained.gids.size).toBe(0)
        const still = yield* (yield* lookupSession(retained)).resolve(need("bio", "chem"))
        expect(sameLookups(still, first)).toBe(true)
        // The same numbers, but now from the API: if they counted as equal, the next refresh would not know.
        api.responses = { bio: 40_001, chem: 40_002 }
        const back = yield* (yield* lookupSession(stillGood(still, []))).resolve(need("bio", "chem"))
        expect(sameLookups(back, first)).toBe(false)
        expect([...stillGood(back, []).gids]).toEqual([
          ["bio", known(40_001)],
          ["chem", known(40_002)],
        ])
      }),
    ))
})
