import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readAllPages } from "../src/all-pages.ts"
import type { ListPage, WaldurCalls } from "../src/calls.ts"
import { makeConcessions } from "../src/concessions.ts"
import { WaldurUnavailable } from "../src/errors.ts"

const unused = () => Effect.die("unexpected call")
/** A Waldur with endless pages. */
const endless = (page: ReturnType<WaldurCalls["page"]>): WaldurCalls => ({
  apiUrl: "https://waldur.example.org/api/",
  concurrency: 8,
  maxPageBytes: 1024,
  page: () => page,
  concessions: makeConcessions(),
  count: () => Effect.succeed({ total: 9_007_199_254_740_991, isCounted: true, askedAt: undefined }),
  object: unused,
  action: unused,
})
const page = (bytes: number): ListPage => ({
  rows: Array.from({ length: 300 }, () => ({})),
  total: 9_007_199_254_740_991,
  receivedCount: "X-Result-Count: 9007199254740991",
  hasNext: undefined,
  bytes,
  cached: false,
})
const tooLarge = new WaldurUnavailable({ call: "GET x", reason: "too-large", detail: "" })

describe("an endless read", () => {
  it.effect.each([
    ["of small rows", Effect.succeed(page(10)), "too many rows"],
    ["of large rows", Effect.succeed(page(1_000_000)), "too many bytes"],
    ["of rows that are too large", Effect.fail(tooLarge), "too many rows that are too large"],
  ] as const)("%s fails with a typed error", ([, result, received]) =>
    Effect.gen(function* () {
      const listing = { path: "things/", query: [], fields: ["uuid"] }
      const error = yield* Effect.flip(readAllPages(endless(result), listing))
      expect(error).toMatchObject({ _tag: "WaldurUnexpectedResponse", received })
    }),
  )
})
