import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as turn } from "node:timers/promises"
import { type Call, type Sandbox, startSandbox, type World } from "@cscs/sandbox"
import { Clock, Duration, Effect, Layer, Logger, ManagedRuntime, References } from "effect"
import { TestClock } from "effect/testing"
import type { Hono } from "hono"
import { onTestFinished } from "vitest"
import { checked, Lifecycle, loadSettings, makeApp, type ProxySettings, proxyLayer } from "../src/index.ts"

// biome-ignore lint/suspicious/noExplicitAny: the tests look into responses of any shape.
export type Any = any

/** Keys of the YAML file, merged over `documentOf`; `undefined` removes one. */
export type Document = Readonly<Record<string, unknown>>

/** A configuration file that fits the sandbox: three systems, its HPC User API, authentication off. */
export const documentOf = (sandbox: Sandbox) => ({
  waldur_api_url: sandbox.waldur.url,
  waldur_api_token: sandbox.waldur.token,
  storage_systems: { capstor: "capstor", vast: "vast", iopsstor: "iopsstor" } as Record<string, string>,
  hpc_user_api: hpcUserSection(sandbox) as Record<string, unknown>,
  auth: { disable_auth: true } as Record<string, unknown>,
})

export const hpcUserSection = ({ hpcUserApi }: Sandbox) => ({
  api_url: hpcUserApi.url,
  client_id: hpcUserApi.clientId,
  client_secret: hpcUserApi.clientSecret,
  oidc_token_url: hpcUserApi.tokenUrl,
})

export interface ProxyOptions {
  /** A running sandbox, which is then not closed with the proxy. */
  readonly sandbox?: Sandbox
  readonly world?: World
  /** Runs before the proxy starts: faults, another dialect. */
  readonly prepare?: (sandbox: Sandbox) => void
  readonly document?: (sandbox: Sandbox) => Document
  readonly environment?: Readonly<Record<string, string>>
  /** Uses the real clock, for what must end by itself. `pass` and `hurried` do not work then. */
  readonly isLive?: boolean
}

export interface Got {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Any
}

/** The app over the sandbox, with real sockets and a clock that moves only on demand. */
export interface TestedProxy {
  readonly sandbox: Sandbox
  readonly app: Hono
  readonly settings: ProxySettings
  /** Every line logged so far, as JSON, at every level. */
  readonly logs: ReadonlyArray<string>
  /**
   * Requests a path, or the query of a link, which is relative to the list. If it asks for a refresh within a second of
   * the last such request, the clock is moved on first.
   */
  readonly get: (path: string, init?: RequestInit) => Promise<Got>
  /** Does not move the clock: a requested refresh may have to wait for it. */
  readonly getNow: (path: string, init?: RequestInit) => Promise<Got>
  /** Requests the list; `query` has no question mark. */
  readonly list: (query?: string) => Promise<Got>
  readonly ready: () => Promise<Got>
  /** Moves the wall clock by so many milliseconds, forward or back; the monotonic clock is unaffected. */
  readonly setWallClock: (by: number) => void
  /** Moves the clock forward. */
  readonly pass: (duration: Duration.Input) => Promise<void>
  /** Runs the clock a thousand times faster until the promise is settled, for calls that are retried with waits. */
  readonly hurried: <A>(promise: Promise<A>) => Promise<A>
  readonly stop: () => Promise<void>
  readonly check: () => Promise<ReadonlyArray<{ name: string; ok: boolean; detail: string; advice?: string }>>
  readonly close: () => Promise<void>
}

/**
 * Most tests change the world directly, behind Waldur's back, and check what the next request sees: each refresh is a
 * full one, none runs in the background, and lost entries disappear at once.
 */
const simple = { CACHE_FULL_REFRESH_EVERY: "0", CACHE_KEEP_WARM_FOR: "0", CACHE_EMPTY_GUARD: "0" }

/** Between two refreshes that callers request, in milliseconds. */
const renewEvery = 1000

/** A request that asks for a refresh first. */
export const noCache = { headers: { "Cache-Control": "no-cache" } }

/** Start of a tested proxy's clock, in milliseconds since 1970. */
export const started = Date.parse("2026-11-23T09:00:00Z")

/** A test clock that begins at `started`, its wall clock ahead of the monotonic one by so many milliseconds. */
export const testClock = (wallAhead: () => number) =>
  Layer.provideMerge(
    Layer.effectDiscard(TestClock.setTime(started)),
    Layer.provideMerge(
      Layer.effect(
        Clock.Clock,
        Effect.map(Clock.Clock, (steady) => ({
          ...steady,
          currentTimeMillisUnsafe: () => steady.currentTimeMillisUnsafe() + wallAhead(),
          currentTimeMillis: Effect.map(steady.currentTimeMillis, (millis) => millis + wallAhead()),
        })),
      ),
      TestClock.layer({ warningDelay: "1 hour" }),
    ),
  )

/** The caller closes it; `aProxy` does so itself. */
export const startProxy = async (options: ProxyOptions = {}): Promise<TestedProxy> => {
  const sandbox = options.sandbox ?? (await startSandbox(options.world === undefined ? {} : { world: options.world }))
  options.prepare?.(sandbox)
  const directory = await mkdtemp(join(tmpdir(), "proxy-"))
  const configPath = join(directory, "config.yaml")
  // JSON is valid YAML, and omits undefined keys.
  await writeFile(configPath, JSON.stringify({ ...documentOf(sandbox), ...options.document?.(sandbox) }))
  const settings = await Effect.runPromise(
    loadSettings({ configPath, environment: { ...simple, ...options.environment }, workingDirectory: directory }),
  )
  const logs: Array<string> = []
  let wallAhead = 0
  const logging = Layer.merge(
    Logger.layer([Logger.map(Logger.formatJson, (line) => void logs.push(line))]),
    Layer.succeed(References.MinimumLogLevel, "All"),
  )
  const beneath =
    options.isLive === true
      ? logging
      : Layer.merge(
          logging,
          testClock(() => wallAhead),
        )
  const runtime = ManagedRuntime.make(Layer.provideMerge(proxyLayer(settings), beneath))
  const app = await runtime.runPromise(makeApp)

  /** Milliseconds of the clock since the last `no-cache` request: the proxy refreshes for those once a second. */
  let sinceRenewal = Number.POSITIVE_INFINITY
  const pass: TestedProxy["pass"] = (duration) => {
    sinceRenewal += Duration.toMillis(Duration.fromInputUnsafe(duration))
    return runtime.runPromise(TestClock.adjust(duration))
  }
  const get: TestedProxy["get"] = async (path, init) => {
    if (new Headers(init?.headers).get("Cache-Control")?.toLowerCase().includes("no-cache")) {
      if (sinceRenewal < renewEvery) await pass(renewEvery - sinceRenewal)
      sinceRenewal = 0
    }
    return getNow(path, init)
  }
  const getNow: TestedProxy["getNow"] = async (path, init) => {
    const response = await app.request(path.startsWith("?") ? `/api/storage-resources/${path}` : path, init)
    const text = await response.text()
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {}
    return { status: response.status, headers: response.headers, text, json }
  }
  return {
    sandbox,
    app,
    settings,
    logs,
    get,
    getNow,
    list: (query = "") => get(`/api/storage-resources/${query === "" ? "" : `?${query}`}`),
    ready: () => get("/healthz/ready"),
    setWallClock: (by) => {
      wallAhead += by
    },
    pass,
    hurried: async (promise) => {
      let settled = false
      const settle = () => {
        settled = true
      }
      promise.then(settle, settle)
      while (!settled) {
        await turn(1)
        await pass("50 millis")
      }
      return promise
    },
    stop: () => runtime.runPromise(Lifecycle.use(({ stop }) => Effect.sync(stop))),
    check: () => Effect.runPromise(Effect.map(checked(settings), ({ results }) => results)) as Promise<Any>,
    close: async () => {
      await runtime.dispose()
      if (options.sandbox === undefined) await sandbox.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** A proxy that is closed when the test ends. */
export const aProxy = async (options: ProxyOptions = {}): Promise<TestedProxy> => {
  const proxy = await startProxy(options)
  onTestFinished(() => proxy.close())
  return proxy
}

/** Resolves when the condition holds; bounded only by the test's own timeout. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await turn(2)
}

/** A directory that is removed when the test ends. */
export const aDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "storage-proxy-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

/** Waldur's list of resources. */
export const listPath = "/api/marketplace-provider-resources/"

/** Whether a call to Waldur reads a page of all resources, not only of those with an order or a change. */
export const isPageOfAll = ({ method, path, query }: Call): boolean =>
  method === "GET" && path === listPath && !["order_state", "state", "modified"].some((name) => query.has(name))

/** The requests that an upstream of the sandbox received, as `METHOD path?query`. */
export const asked = (sandbox: Sandbox, upstream: "waldur" | "hpcUserApi" | "issuer"): ReadonlyArray<string> =>
  sandbox.calls.of(upstream).map(({ method, path, query }) => `${method} ${path}?${query}`)
