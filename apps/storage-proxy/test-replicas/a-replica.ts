import { loadSettings, makeApp, proxyLayer } from "@cscs/proxy-server"
import type { Sandbox, World } from "@cscs/sandbox"
import { Clock, Effect, Layer, Logger, ManagedRuntime, Metric, References } from "effect"
import { expect, onTestFinished } from "vitest"
import { aDirectory, environmentOf, type Running, serving, until } from "../test/a-process.ts"
import type { RedisServer } from "./a-redis.ts"

// biome-ignore lint/suspicious/noExplicitAny: the tests look into responses of any shape.
export type Any = any

export interface Got {
  readonly status: number
  readonly headers: Headers
  readonly json: Any
}

/** A proxy that shares, in whichever form it runs. */
export interface Replica {
  /** Every line logged so far. */
  readonly log: () => string
  readonly get: (path: string, init?: RequestInit) => Promise<Got>
  /** The whole list. */
  readonly list: (init?: RequestInit) => Promise<Got>
  readonly metric: (line: string) => Promise<number | undefined>
  readonly isLeader: () => Promise<boolean>
  readonly warnings: () => Promise<string>
}

export const noCache = { headers: { "Cache-Control": "no-cache" } }

const overHttp = (ask: (path: string, init?: RequestInit) => Promise<Response>, log: () => string): Replica => {
  const get: Replica["get"] = async (path, init) => {
    const response = await ask(path, init)
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.includes("json") === true && text !== ""
    return { status: response.status, headers: response.headers, json: isJson ? JSON.parse(text) : text }
  }
  const metric: Replica["metric"] = async (line) => {
    const lines: ReadonlyArray<string> = (await get("/metrics")).json.split("\n")
    const found = lines.find((one) => one.startsWith(`storage_proxy_${line} `))
    return found === undefined ? undefined : Number(found.split(" ").at(-1))
  }
  return {
    log,
    get,
    list: (init) => get("/api/storage-resources/?page_size=500", init),
    metric,
    isLeader: async () => (await metric("is_leader")) === 1,
    warnings: async () => (await get("/healthz/ready")).json.warnings.join("\n"),
  }
}

const environment = (sandbox: Sandbox, url: string | undefined) => ({
  ...environmentOf(sandbox),
  ...(url === undefined ? {} : { CACHE_URL: url }),
  CACHE_FRESH_FOR: "300ms",
  LOG_LEVEL: "debug",
})

type More = Readonly<Record<string, string>>

/** A separate process, for process-level failures. */
export const aReplicaProcess = async (
  sandbox: Sandbox,
  { url }: Pick<RedisServer, "url">,
  more: More = {},
): Promise<Replica & Running> => {
  const running = await serving([], { environment: { ...environment(sandbox, url), ...more } })
  return {
    ...running,
    ...overHttp(
      (path, init) => fetch(`${running.url}${path}`, init),
      () => running.stdout() + running.stderr(),
    ),
  }
}

/**
 * A replica within this process, with the real clock and metrics of its own.
 *
 * @param redis without one it shares nothing
 * @param clockAhead how far its clock is ahead of the others', in milliseconds
 */
export const aReplica = async (
  sandbox: Sandbox,
  redis: Pick<RedisServer, "url"> | undefined,
  more: More = {},
  clockAhead = 0,
): Promise<Replica & { readonly close: () => Promise<void> }> => {
  const settings = await Effect.runPromise(
    loadSettings({
      environment: { ...environment(sandbox, redis?.url), ...more },
      workingDirectory: await aDirectory(),
    }),
  )
  const lines: Array<string> = []
  const here = await Effect.runPromise(Clock.Clock)
  const now = () => here.currentTimeMillisUnsafe() + clockAhead
  const clock: Clock.Clock = {
    sleep: (duration) => here.sleep(duration),
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => here.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: here.monotonicTimeNanos,
  }
  const beneath = Layer.mergeAll(
    Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))]),
    Layer.succeed(References.MinimumLogLevel, "All"),
    Layer.succeed(Metric.MetricRegistry, new Map()),
    Layer.succeed(Clock.Clock, clock),
  )
  const runtime = ManagedRuntime.make(Layer.provideMerge(proxyLayer(settings), beneath))
  const close = () => runtime.dispose()
  onTestFinished(close)
  const app = await runtime.runPromise(makeApp)
  return {
    close,
    ...overHttp(
      async (path, init) => app.request(path, init),
      () => lines.join("\n"),
    ),
  }
}

/** Three replicas that are ready. */
export const three = async <A extends Replica>(start: () => Promise<A>): Promise<readonly [A, A, A]> => {
  const replicas = await Promise.all([start(), start(), start()])
  await Promise.all(replicas.map((one) => until(async () => (await one.get("/healthz/ready")).status === 200)))
  return replicas
}

export const leadersOf = async <A extends Replica>(replicas: ReadonlyArray<A>): Promise<ReadonlyArray<A>> => {
  const are = await Promise.all(replicas.map((one) => one.isLeader()))
  return replicas.filter((_, index) => are[index])
}

/** The leader, and the others. */
export const ranked = async <A extends Replica>(replicas: ReadonlyArray<A>) => {
  const [leader] = await leadersOf(replicas)
  if (leader === undefined) throw new Error("no replica leads")
  const [first, ...others] = replicas.filter((one) => one !== leader)
  if (first === undefined) throw new Error("no replica follows")
  return { leader, follower: first, others: [first, ...others] }
}

/** Polls each of them, as provisioners do, until the condition holds; every request must succeed. */
export const polled = async (replicas: ReadonlyArray<Replica>, holds: () => boolean | Promise<boolean>) => {
  const etags = new Map<Replica, string>()
  await until(async () => {
    for (const one of replicas) {
      const { status, headers } = await one.list({ headers: { "If-None-Match": etags.get(one) ?? "" } })
      expect([200, 304]).toContain(status)
      etags.set(one, headers.get("etag") ?? "")
    }
    return holds()
  })
}

/** Waits until there is one leader and the others follow it without errors. */
export const sharing = (replicas: ReadonlyArray<Replica>) =>
  polled(replicas, async () => {
    if ((await leadersOf(replicas)).length !== 1) return false
    const ups = await Promise.all(replicas.map((one) => one.metric("shared_cache_up")))
    return ups.every((up) => up === 1)
  })

/** Full reads of Waldur. */
export const fullReads = (sandbox: Sandbox): number =>
  sandbox.calls
    .of("waldur")
    .filter(
      ({ method, path, query }) =>
        method === "GET" &&
        path.endsWith("/marketplace-provider-resources/") &&
        !query.has("order_state") &&
        !query.has("state") &&
        !query.has("modified"),
    ).length

/** The status of a resource of the world in a response. */
export const statusOf = ({ json }: Got, world: World, index: number): string | undefined =>
  json.resources.find(({ itemId }: Any) => itemId.replaceAll("-", "") === world.resources[index]?.uuid)?.status
