import { setImmediate as nextTurn, setTimeout as soon } from "node:timers/promises"
import type { Sandbox, SetFault, World } from "@cscs/sandbox"
import { expect, onTestFinished } from "vitest"
import { type Any, type Got, type ProxyOptions, startProxy, type TestedProxy } from "../a-proxy.ts"
import { dashed } from "../a-world.ts"
import type { FaultRow } from "./the-faults.ts"

/** A proxy whose clock moves only while nothing in flight takes real time: only its own patience passes. */
export interface ObservedProxy extends TestedProxy {
  /** Sets a fault. */
  readonly strike: (blow: Blow) => SetFault
  /** The fault that was set at the start, or the last one set. */
  readonly fault: () => SetFault
  /** Waits for a promise; returns its value and the seconds it took. */
  readonly timed: <A>(promise: Promise<A>) => Promise<readonly [A, number]>
  /** Lets so many seconds pass, and calls `now` at intervals. */
  readonly spend: (seconds: number, now?: () => Promise<unknown>) => Promise<void>
  /** The seconds until the condition holds; fails if there are more than `seconds`. */
  readonly within: (seconds: number, holds: () => boolean | Promise<boolean>) => Promise<number>
  /** All responses, readiness included. */
  readonly answers: ReadonlyArray<Got>
}

/** Which requests a fault affects. */
export interface Where {
  readonly upstream: "waldur" | "hpcUserApi" | "issuer"
  readonly path: string | RegExp
  readonly method?: string
}

export interface Blow {
  readonly row: FaultRow
  readonly where: Where
  /** Number of requests; default all. */
  readonly times?: number
}

export interface ObserverOptions extends ProxyOptions {
  /** A fault from the start. */
  readonly cold?: Blow
}

const upstreams = ["waldur", "hpcUserApi", "issuer"] as const

/** @param sandbox serves all cases of a file: generating its keys takes longer than most of them */
export const anObservedProxy = async (
  sandbox: Sandbox,
  { cold, ...options }: ObserverOptions = {},
): Promise<ObservedProxy> => {
  sandbox.calls.clear()
  onTestFinished(() => sandbox.faults.clear())
  let isHanging = false
  let late: { readonly fault: SetFault; readonly seconds: number; readonly arrive: () => void } | undefined
  let last: SetFault | undefined
  const strike: ObservedProxy["strike"] = ({ row, where, times }) => {
    const { promise: arrival, resolve: arrive } = Promise.withResolvers<void>()
    const until = row.late === undefined ? {} : { until: arrival }
    const fault = { ...where, ...row.fault(sandbox), ...until, ...(times === undefined ? {} : { times }) }
    isHanging = fault.hang !== undefined
    const set = sandbox.faults.set(where.upstream, fault)
    last = set
    late = row.late === undefined ? undefined : { fault: set, seconds: row.late, arrive }
    return set
  }
  if (cold !== undefined) strike(cold)
  const proxy = await startProxy({ ...options, sandbox })
  onTestFinished(() => proxy.close())
  const { calls } = sandbox
  let elapsed = 0

  const underway = () => upstreams.reduce((sum, upstream) => sum + calls.inFlight(upstream), 0)
  const state = () => [calls.all.length, underway(), proxy.logs.length].join()
  const pass = async (seconds: number) => {
    await proxy.pass(`${Math.round(seconds * 1000)} millis`)
    elapsed += seconds
  }
  /** Resolves once only the clock can make progress. */
  const settled = async (): Promise<void> => {
    let [before, still] = ["", 0]
    while (still < (isHanging ? 3 : 5)) {
      // If calls hang, only a short wait shows whether others are in flight.
      await (isHanging ? soon(1) : nextTurn())
      const now = state()
      // A late response is the only one in flight when its seconds pass: no other call is to time out.
      const isLate = late !== undefined && late.fault.struck > 0
      still = now === before && (isHanging || underway() === (isLate ? 1 : 0)) ? still + 1 : 0
      before = now
      if (late !== undefined && isLate && still === 5) {
        const { seconds, arrive } = late
        late = undefined
        await pass(seconds)
        arrive()
        still = 0
      }
    }
  }
  const step = (since: number) => (elapsed - since < 5 ? 0.1 : elapsed - since < 70 ? 0.5 : 2)

  const answers: Array<Got> = []
  const get: TestedProxy["get"] = async (path, init) => {
    const got = await proxy.get(path, init)
    answers.push(got)
    return got
  }
  const timed: ObservedProxy["timed"] = async (promise) => {
    const since = elapsed
    let isThere = false
    const arrive = () => {
      isThere = true
    }
    promise.then(arrive, arrive)
    for (;;) {
      await settled()
      if (isThere) return [await promise, elapsed - since]
      await pass(step(since))
    }
  }
  return {
    ...proxy,
    answers,
    get,
    list: (query = "page_size=500") => get(`/api/storage-resources/?${query}`),
    ready: () => get("/healthz/ready"),
    strike,
    fault: () => {
      if (last === undefined) throw new Error("no fault was set")
      return last
    },
    timed,
    spend: async (seconds, now = async () => {}) => {
      for (const end = elapsed + seconds; elapsed < end; ) {
        await settled()
        await now()
        await pass(Math.min(isHanging ? 5 : 1, end - elapsed))
      }
      await settled()
    },
    within: async (seconds, holds) => {
      const since = elapsed
      for (;;) {
        await settled()
        const [held] = await timed(Promise.resolve(holds()))
        if (held) return elapsed - since
        expect(elapsed - since, "seconds until it holds").toBeLessThan(seconds)
        await pass(step(since))
      }
    },
  }
}

/** Fails if a response or a log line contains a secret, or a list an entry that is not in the world. */
export const expectHonest = ({ sandbox, answers, logs }: ObservedProxy): void => {
  const { world, waldur, hpcUserApi, issuer, calls } = sandbox
  const bearers = calls.all.map(({ headers }) => headers.get("authorization")?.replace(/^\S+ /, "") ?? "")
  const secrets = [waldur.token, hpcUserApi.clientSecret, issuer.audience.clientSecret, ...bearers]
  const reported = [...new Set([...answers.map(({ text }) => text), ...logs])]
  const lost = [...new Set(secrets)].filter((secret) => secret !== "" && reported.some((text) => text.includes(secret)))
  expect(lost).toEqual([])
  const lists = new Map(
    answers.filter(({ status, json }) => status === 200 && json?.resources).map((got) => [got.text, got]),
  )
  for (const { json } of lists.values()) expect(strangersAmong(json.resources, world)).toEqual([])
}

/** Entries whose resource, GID or customer name is not in the world. */
const strangersAmong = (entries: ReadonlyArray<Any>, world: World): ReadonlyArray<Any> => {
  const gids = new Set(world.gids.values())
  const resources = new Set(world.resources.map(({ uuid }) => dashed(uuid)))
  const customers = new Map(
    world.resources.map(({ customer_uuid, customer_name }) => [dashed(customer_uuid), customer_name]),
  )
  return entries.filter(({ itemId, target: { targetType, targetItem } }) => {
    if (targetType === "tenant") return false
    if (targetType === "customer") return customers.get(itemId) !== targetItem.name
    return !resources.has(itemId) || !gids.has(targetItem.unixGid ?? targetItem.primaryProject.unixGid)
  })
}

/** The exact body of a 502. */
export const noResponseOf = (upstream: "Waldur" | "The HPC User API") =>
  JSON.stringify({
    detail: `${upstream} returns no usable response, and no usable list is cached`,
    error: "UpstreamServiceError",
    message: "Failed to communicate with an upstream service.",
  })

/** State of a circuit breaker: 0 closed, 1 half open, 2 open. */
export const breakerOf = async (proxy: TestedProxy, upstream: string): Promise<number> => {
  const { text } = await proxy.get("/metrics")
  return Number(text.split(`storage_proxy_breaker_state{upstream="${upstream}"} `)[1]?.split("\n")[0])
}
