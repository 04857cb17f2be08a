import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  type Decision,
  decide,
  type FreshnessPolicy,
  type FreshnessState,
  failedLately,
  isOverdue,
  isServable,
  isSlow,
  nextRefreshIn,
} from "../src/serving/freshness.ts"

const now = 1_000_000
const policy: FreshnessPolicy = {
  freshFor: 10_000,
  staleIfError: 300_000,
  keepWarmFor: 60_000,
  retryAfter: 5000,
  slowAfter: 30_000,
}

/** Each dimension of a state by name, with the values that matter to the decision. */
const dimensions = {
  freshFor: { positive: 10_000, zero: 0 },
  list: { none: undefined, fresh: now - 9999, stale: now - 10_000, expired: now - 310_000 },
  failure: { none: undefined, lately: now - 4999, earlier: now - 5000 },
  refresh: {
    none: undefined,
    background: { startedAt: now - 29_999, isBackground: true },
    foreground: { startedAt: now - 29_999, isBackground: false },
    "slow background": { startedAt: now - 30_000, isBackground: true },
    "slow foreground": { startedAt: now - 30_000, isBackground: false },
  },
  request: { lately: now - 59_999, earlier: now - 60_000 },
} as const

type Dimension = keyof typeof dimensions
type Named = Readonly<Record<Dimension, string>>

const allNamed = Object.entries(dimensions).reduce<ReadonlyArray<Partial<Named>>>(
  (states, [dimension, values]) =>
    states.flatMap((state) => Object.keys(values).map((name) => ({ ...state, [dimension]: name }))),
  [{}],
) as ReadonlyArray<Named>
// A list of any age is past a fresh_for of 0.
const possible = allNamed.filter(({ freshFor, list }) => !(freshFor === "zero" && list === "fresh"))

const valueIn = <D extends Dimension>(named: Named, dimension: D) =>
  (dimensions[dimension] as Readonly<Record<string, unknown>>)[named[dimension]]

const inputsOf = (named: Named): { state: FreshnessState; policy: FreshnessPolicy } => ({
  policy: { ...policy, freshFor: valueIn(named, "freshFor") as number },
  state: {
    readEndedAt: valueIn(named, "list") as number | undefined,
    failedAt: valueIn(named, "failure") as number | undefined,
    refresh: valueIn(named, "refresh") as FreshnessState["refresh"],
    lastAskedAt: valueIn(named, "request") as number,
  },
})

/** The first row that a state matches decides; a dimension that a row does not name may have any value. */
const table: ReadonlyArray<
  readonly [decision: Decision, conditions: Partial<Record<Dimension, string | ReadonlyArray<string>>>]
> = [
  ["serve", { list: "fresh" }],
  ["fail", { list: ["none", "expired"], freshFor: "positive", failure: "lately", refresh: "none" }],
  ["wait", { list: ["none", "expired"] }],
  ["serve-and-refresh", { freshFor: "positive", failure: "earlier", refresh: "none" }],
  ["serve", { freshFor: "positive", failure: ["lately", "earlier"] }],
  ["serve", { refresh: ["slow background", "slow foreground"] }],
  ["wait", { freshFor: "zero" }],
  ["wait", { request: "earlier" }],
  ["serve-and-refresh", { refresh: "none" }],
  ["serve", { refresh: "background" }],
  ["wait", { refresh: "foreground" }],
]
const rowOf = (named: Named) =>
  table.find(([, conditions]) =>
    Object.entries(conditions).every(([dimension, allowed]) =>
      [allowed].flat().includes(named[dimension as Dimension]),
    ),
  )

describe("a request for the list", () => {
  test.each(
    possible.map((named) => {
      const text = Object.entries(named).map(([dimension, name]) => `${dimension} ${name}`)
      return [text.join(", "), named, rowOf(named)?.[0]] as const
    }),
  )("with %s is decided as in the table", (_, named, decision) => {
    const { state, policy } = inputsOf(named)
    expect(decide(state, policy, now)).toBe(decision)
  })

  test("uses each row of the table", () => {
    expect(new Set(possible.map(rowOf))).toEqual(new Set(table))
  })
})

const anyState = fc.record({
  readEndedAt: fc.option(fc.nat(2_000_000), { nil: undefined }),
  failedAt: fc.option(fc.nat(2_000_000), { nil: undefined }),
  refresh: fc.option(fc.record({ startedAt: fc.nat(2_000_000), isBackground: fc.boolean() }), { nil: undefined }),
  lastAskedAt: fc.oneof(fc.nat(2_000_000), fc.constant(Number.NEGATIVE_INFINITY)),
})
const anyPolicy = fc.record({
  freshFor: fc.nat(100_000),
  staleIfError: fc.nat(1_000_000),
  keepWarmFor: fc.nat(1_000_000),
  retryAfter: fc.integer({ min: 1, max: 5000 }),
  slowAfter: fc.integer({ min: 1, max: 60_000 }),
})

describe("in any state", () => {
  test("a list is served only while it is servable", () => {
    fc.assert(
      fc.property(anyState, anyPolicy, fc.nat(3_000_000), (state, policy, now) => {
        if (decide(state, policy, now).startsWith("serve")) expect(isServable(state, policy, now)).toBe(true)
      }),
    )
  })

  test("a request begins no second refresh, and fails only after a recent failure", () => {
    fc.assert(
      fc.property(anyState, anyPolicy, fc.nat(3_000_000), (state, policy, now) => {
        const decision = decide(state, policy, now)
        if (decision === "serve-and-refresh") expect(state.refresh).toBeUndefined()
        if (decision === "fail") expect(failedLately(state, policy, now)).toBe(true)
      }),
    )
  })

  test("the next background refresh is now, later, or not before a request", () => {
    fc.assert(
      fc.property(anyState, anyPolicy, fc.nat(3_000_000), (state, policy, now) => {
        const wait = nextRefreshIn(state, policy, now)
        if (wait !== undefined) expect(wait).toBeGreaterThanOrEqual(0)
        // Without a list, refreshes are retried forever.
        if (state.readEndedAt === undefined) expect(wait).toBeDefined()
      }),
    )
  })
})

describe("the next background refresh", () => {
  const idle = {
    readEndedAt: undefined,
    failedAt: undefined,
    refresh: undefined,
    lastAskedAt: Number.NEGATIVE_INFINITY,
  }

  test("is now before the first list, even without a request", () => {
    expect(nextRefreshIn(idle, policy, now)).toBe(0)
  })

  test("is when the list stops being fresh, while requests arrive", () => {
    const state = { ...idle, readEndedAt: now - 4000, lastAskedAt: now }
    expect(nextRefreshIn(state, policy, now)).toBe(6000)
    expect(nextRefreshIn(state, policy, now + 6000)).toBe(0)
  })

  test("is not before a request, once no request has arrived for `keepWarmFor`", () => {
    expect(
      nextRefreshIn({ ...idle, readEndedAt: now - 70_000, lastAskedAt: now - 60_000 }, policy, now),
    ).toBeUndefined()
  })

  test("is `retryAfter` after a failure", () => {
    expect(nextRefreshIn({ ...idle, failedAt: now - 2000 }, policy, now)).toBe(3000)
  })
})

describe("a list", () => {
  const state = { readEndedAt: now - 40_001, failedAt: undefined, refresh: undefined, lastAskedAt: now }

  test("is overdue if it is older than `freshFor` plus `slowAfter` while requests arrive and no refresh makes progress", () => {
    expect(isOverdue(state, policy, now)).toBe(true)
    expect(isOverdue({ ...state, readEndedAt: now - 40_000 }, policy, now)).toBe(false)
    expect(isOverdue({ ...state, lastAskedAt: now - 60_000 }, policy, now)).toBe(false)
    expect(isOverdue({ ...state, refresh: { startedAt: now - 1000, isBackground: true } }, policy, now)).toBe(false)
    const slow = { ...state, refresh: { startedAt: now - 30_000, isBackground: true } }
    expect([isSlow(slow, policy, now), isOverdue(slow, policy, now)]).toEqual([true, true])
  })

  test("that is missing is not overdue", () => {
    expect(isOverdue({ ...state, readEndedAt: undefined }, policy, now)).toBe(false)
  })
})
