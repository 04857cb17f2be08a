/** Injects upstream faults, one after another, and clears them. */
import { overlaps, type Span, type Window } from "@cscs/oracle"
import type { Fault, Sandbox, Upstream } from "@cscs/sandbox"
import type { Chance } from "./chance.ts"
import { type Counts, count } from "./counts.ts"
import { pause } from "./pause.ts"

export const upstreams = ["waldur", "hpcUserApi", "issuer"] as const

/** Waldur rejects its token; for the other upstreams, all tokens issued so far become invalid. */
const tokenRefused = "token refused"

/** Named faults, with their weights. */
const faults: ReadonlyArray<readonly [number, readonly [string, Fault]]> = [
  [3, ["status 500", { status: 500 }]],
  [2, ["status 502, HTML", { status: 502, body: "html" }]],
  [3, ["status 503", { status: 503 }]],
  [1, ["status 403", { status: 403 }]],
  [2, ["status 404", { status: 404 }]],
  [2, ["status 429", { status: 429, headers: { "Retry-After": "1" } }]],
  [3, ["reset", { reset: true }]],
  [3, ["truncated by the network", { truncate: true }]],
  [2, ["half of the JSON", { body: "truncated" }]],
  [2, ["garbage", { body: "garbage" }]],
  [2, ["HTML", { body: "html" }]],
  [2, ["empty body", { body: "empty" }]],
  [2, ["empty list", { body: { json: [] } }]],
  [2, ["null", { body: { json: null } }]],
  [4, ["late", { latencyMs: 400 }]],
  [2, ["too late", { latencyMs: 2500 }]],
  [3, ["silent", { hang: true }]],
  [3, ["silent in the middle", { hang: "mid-body" }]],
  [4, [tokenRefused, { status: 401 }]],
]

/** The affected paths, with their weights: mostly all paths, or the lists that every refresh reads. */
const waldurPaths: ReadonlyArray<readonly [number, RegExp | undefined]> = [
  [3, undefined],
  [2, /\/marketplace-provider-resources\/$/],
  [1, /\/marketplace-provider-resources\/./],
  [1, /\/customers\/$/],
]

export const faultInjection = (sandbox: Sandbox, chance: Chance) => {
  const spans: Array<Span & { readonly upstream: Upstream }> = []
  const struck: Counts = new Map()
  /** Sets a fault; returns a function that clears it. */
  const strike = (upstream: Upstream): (() => void) => {
    const span = { upstream, from: performance.now(), until: Number.POSITIVE_INFINITY }
    spans.push(span)
    const [name, fault] = chance.weighted(faults)
    const revokes = name === tokenRefused && upstream !== "waldur"
    if (revokes) sandbox.hpcUserApi.revokeTokens()
    const set = revokes ? [] : setFault(upstream, fault)
    return () => {
      for (const one of set) one.clear()
      count(struck, `${upstream}: ${name}`, revokes ? 1 : set.reduce((sum, one) => sum + one.struck, 0))
      span.until = performance.now()
    }
  }

  /** Affects a few requests, as when a node restarts, or all of them for a while; for Waldur, on some paths. */
  const setFault = (upstream: Upstream, fault: Fault) => {
    const path = upstream === "waldur" ? chance.weighted(waldurPaths) : undefined
    const times = chance.happens(0.2) ? 1 + chance.below(8) : undefined
    const narrowed = { ...fault, ...(path !== undefined && { path }), ...(times !== undefined && { times }) }
    // Not the POSTs with which the soak itself changes Waldur.
    const methods = upstream === "waldur" ? [{ method: "GET" }, { method: "HEAD" }] : [{}]
    return methods.map((method) => sandbox.faults.set(upstream, { ...narrowed, ...method }))
  }

  return {
    /** Whether one of these upstreams had a fault at some time in the window. */
    wasFailing: ({ from, to }: Window, failing: ReadonlyArray<Upstream>): boolean =>
      spans.some((span) => failing.includes(span.upstream) && overlaps(span, from, to)),
    /** Requests affected by faults, by upstream and kind. */
    struck: struck as ReadonlyMap<string, number>,
    /** Injects faults until `stop`; resolves when all are cleared. */
    change: async (stop: AbortSignal): Promise<void> => {
      for (let round = 1; !stop.aborted; round++) {
        // Sometimes a calm is long enough that nothing of the last fault remains.
        await pause(round % 6 === 0 ? chance.between(19_000, 24_000) : chance.between(500, 4000), stop)
        if (stop.aborted) return
        const upstream = chance.pick<Upstream>(["waldur", "waldur", "waldur", "waldur", "hpcUserApi", "issuer"])
        const healing = (chance.happens(0.25) ? [...upstreams] : [upstream]).map(strike)
        // Some faults last longer than the last good list may be served.
        await pause(chance.happens(0.3) ? chance.between(9000, 18_000) : chance.between(500, 6000), stop)
        for (const heal of healing) heal()
      }
    },
  }
}
