/** Upstream faults that come and go. */

import { overlaps, type Span, type Window } from "@cscs/oracle"
import type { Fault, Sandbox, Upstream } from "@cscs/sandbox"
import type { Chance } from "./chance.ts"
import { type Counts, count } from "./mutations.ts"
import { pause } from "./pause.ts"

export interface FaultInjection {
  /** Whether a fault of one of these upstreams was set at some time in the window. */
  readonly wasFailing: (window: Window, upstreams: ReadonlyArray<Upstream>) => boolean
  /** Requests affected by faults, by upstream and kind. */
  readonly struck: () => Counts
  /** Injects faults until `stop`; resolves when all are cleared. */
  readonly change: (stop: AbortSignal) => Promise<void>
}

const every: ReadonlyArray<Upstream> = ["waldur", "hpcUserApi", "issuer"]

/** Larger than any response that the proxy accepts. */
const oversize = 70_000_000

/** A fault by name, and its probability. */
const faults: ReadonlyArray<readonly [number, readonly [string, Fault | "token refused"]]> = [
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
  [4, ["token refused", "token refused"]],
]

/** Not the POSTs by which the soak itself changes Waldur. */
const readingMethods = ["GET", "HEAD"]

/** Mostly all of them, or the lists that every refresh reads. */
const waldurPaths = [
  undefined,
  undefined,
  undefined,
  /\/marketplace-provider-resources\/$/,
  /\/marketplace-provider-resources\/$/,
  /\/marketplace-provider-resources\/./,
  /\/customers\/$/,
]

export const faultInjection = (sandbox: Sandbox, chance: Chance, seconds: number): FaultInjection => {
  const spans: Array<Span & { readonly upstream: Upstream }> = []
  const counts: Counts = new Map()
  const begun = performance.now()
  let hasBeenOversize = false

  /** Sets a fault; returns a function that clears it. */
  const strike = (upstream: Upstream): (() => void) => {
    const span = { upstream, from: performance.now(), until: Number.POSITIVE_INFINITY }
    spans.push(span)
    const heal = oversizeNow(upstream) ?? begin(upstream)
    return () => {
      heal()
      span.until = performance.now()
    }
  }

  const begin = (upstream: Upstream): (() => void) => {
    const [name, fault] = chance.weighed(faults)
    if (fault === "token refused") return refuseToken(sandbox, upstream, () => count(counts, `${upstream}: ${name}`))
    const path = upstream === "waldur" ? chance.pick(waldurPaths) : undefined
    // A few requests, like a node that restarts, or all of them for a while.
    const times = chance.happens(0.2) ? 1 + chance.below(8) : undefined
    return setFault(upstream, name, {
      ...fault,
      ...(path !== undefined && { path }),
      ...(times !== undefined && { times }),
    })
  }

  const setFault = (upstream: Upstream, name: string, fault: Fault): (() => void) => {
    const methods = upstream === "waldur" ? readingMethods : [undefined]
    const set = methods.map((method) =>
      sandbox.faults.set(upstream, { ...fault, ...(method !== undefined && { method }) }),
    )
    return () => {
      for (const one of set) {
        if (one.struck > 0) count(counts, `${upstream}: ${name}`, one.struck)
        one.clear()
      }
    }
  }

  /** Once, early: the memory of such a response is not returned at once, and would look like a leak. */
  const oversizeNow = (upstream: Upstream): (() => void) | undefined => {
    const isEarly = performance.now() - begun < seconds * 250
    if (hasBeenOversize || upstream !== "waldur" || !isEarly) return undefined
    hasBeenOversize = true
    return setFault(upstream, "too large", { oversizeBytes: oversize, times: 1 })
  }

  return {
    wasFailing: ({ from, to }, upstreams) =>
      spans.some((span) => upstreams.includes(span.upstream) && overlaps(span, from, to)),
    struck: () => counts,
    change: async (stop) => {
      for (let round = 1; !stop.aborted; round++) {
        // Occasionally there is a calm long enough that nothing of the last fault remains.
        await pause(round % 6 === 0 ? chance.between(19_000, 24_000) : chance.between(500, 4000), stop)
        if (stop.aborted) return
        const upstream = chance.weighed<Upstream>([
          [6, "waldur"],
          [2, "hpcUserApi"],
          [1, "issuer"],
        ])
        const struck = chance.happens(0.25) ? every : [upstream]
        const healing = struck.map(strike)
        // Some last longer than the last good list may be served.
        await pause(chance.happens(0.3) ? chance.between(9000, 18_000) : chance.between(500, 6000), stop)
        for (const heal of healing) heal()
      }
    },
  }
}

/** Waldur's token has expired; the HPC User API's tokens are no longer valid. */
const refuseToken = ({ world, waldur, hpcUserApi }: Sandbox, upstream: Upstream, tell: () => void): (() => void) => {
  tell()
  const token = world.tokens.get(waldur.token)
  if (upstream !== "waldur" || token === undefined) {
    hpcUserApi.revokeTokens()
    return () => {}
  }
  token.expired = true
  return () => {
    token.expired = false
  }
}
