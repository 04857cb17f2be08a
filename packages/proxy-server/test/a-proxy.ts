import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as turn } from "node:timers/promises"
import { type Sandbox, startSandbox, type World } from "@cscs/sandbox"
import { Clock, Duration, Effect, Layer, Logger, ManagedRuntime, References } from "effect"
import { TestClock } from "effect/testing"
import type { Hono } from "hono"
import { onTestFinished } from "vitest"
import { checkUpstreams, Lifecycle, loadSettings, makeApp, type ProxySettings, proxyLayer } from "../src/index.ts"

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of any shape.
export type Any = any

/** Keys of the YAML file laid over `documentOf`; `undefined` takes one away. */
export type Document = Readonly<Record<string, unknown>>

/** A configuration file that is right for the sandbox: three systems, its HPC User API, nobody asked for a token. */
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
  /** A sandbox that runs already; it is then not closed with the proxy. */
  readonly sandbox?: Sandbox
  readonly world?: World
  /** Before the proxy starts: faults, another dialect. */
  readonly prepare?: (sandbox: Sandbox) => void
  readonly document?: (sandbox: Sandbox) => Document
  readonly environment?: Readonly<Record<string, string>>
}

export interface Got {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Any
}

/** The app over the sandbox, with real sockets and a clock that only moves when told. */
export interface TestedProxy {
  readonly sandbox: Sandbox
  readonly app: Hono
  readonly settings: ProxySettings
  /** Every line logged so far, as JSON, at every level. */
  readonly logs: ReadonlyArray<string>
  /** Where it asks for a refresh within a second of the last that did, the clock is moved on first. */
  readonly get: (path: string, init?: RequestInit) => Promise<Got>
  /** Leaves the clock alone: a refresh that is asked for may have to wait for it. */
  readonly getNow: (path: string, init?: RequestInit) => Promise<Got>
  /** The list; `query` without its question mark. */
  readonly list: (query?: string) => Promise<Got>
  readonly ready: () => Promise<Got>
  /** Sets the wall clock by so many milliseconds, forward or back; time itself goes on as it did. */
  readonly setWallClock: (by: number) => void
  /** Moves the clock. */
  readonly pass: (duration: Duration.Input) => Promise<void>
  /** Lets the clock run, thousandfold, until the promise is settled: for calls that are repeated with waits. */
  readonly hurried: <A>(promise: Promise<A>) => Promise<A>
  readonly stop: () => Promise<void>
  readonly check: () => Promise<ReadonlyArray<{ name: string; ok: boolean; detail: string; advice?: string }>>
  readonly close: () => Promise<void>
}

/**
 * Most tests change the world by hand, behind Waldur's back, and ask what the next request sees: each refresh reads all,
 * none runs unasked, and what is gone is gone.
 */
const simple = { CACHE_FULL_REFRESH_EVERY: "0", CACHE_KEEP_WARM_FOR: "0", CACHE_EMPTY_GUARD: "0" }

/** Between two refreshes that callers ask for, in milliseconds. */
const renewEvery = 1000

/** Asks for a refresh first. */
export const noCache = { headers: { "Cache-Control": "no-cache" } }

/** When the clock of a tested proxy starts, in milliseconds since 1970. */
export const started = Date.parse("2026-11-23T09:00:00Z")

/** Whoever starts it closes it; `aProxy` does so by itself. */
export const startProxy = async (options: ProxyOptions = {}): Promise<TestedProxy> => {
  const sandbox = options.sandbox ?? (await startSandbox(options.world === undefined ? {} : { world: options.world }))
  options.prepare?.(sandbox)
  const directory = await mkdtemp(join(tmpdir(), "proxy-"))
  const configPath = join(directory, "config.yaml")
  // JSON is YAML, and leaves out what is undefined.
  await writeFile(configPath, JSON.stringify({ ...documentOf(sandbox), ...options.document?.(sandbox) }))
  const settings = await Effect.runPromise(
    loadSettings({ configPath, environment: { ...simple, ...options.environment }, workingDirectory: directory }),
  )
  const logs: Array<string> = []
  let wallAhead = 0
  const clock = Layer.provideMerge(
    Layer.effect(
      Clock.Clock,
      Effect.map(Clock.Clock, (steady) => ({
        ...steady,
        currentTimeMillisUnsafe: () => steady.currentTimeMillisUnsafe() + wallAhead,
        currentTimeMillis: Effect.map(steady.currentTimeMillis, (millis) => millis + wallAhead),
      })),
    ),
    TestClock.layer({ warningDelay: "1 hour" }),
  )
  const logging = Layer.merge(
    Logger.layer([Logger.map(Logger.formatJson, (line) => void logs.push(line))]),
    Layer.succeed(References.MinimumLogLevel, "All"),
  )
  const beneath = Layer.merge(logging, Layer.provideMerge(Layer.effectDiscard(TestClock.setTime(started)), clock))
  const runtime = ManagedRuntime.make(Layer.provideMerge(proxyLayer(settings), beneath))
  const app = await runtime.runPromise(makeApp)

  /** Milliseconds of the clock since somebody asked by `no-cache`: the proxy renews for that once a second. */
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
    const response = await app.request(path, init)
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
    check: () => Effect.runPromise(checkUpstreams(settings)) as Promise<Any>,
    close: async () => {
      await runtime.dispose()
      if (options.sandbox === undefined) await sandbox.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** A proxy that ends with the test. */
export const aProxy = async (options: ProxyOptions = {}): Promise<TestedProxy> => {
  const proxy = await startProxy(options)
  onTestFinished(() => proxy.close())
  return proxy
}

/** Resolves when the condition holds; the test's own deadline is the only other end. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await turn(2)
}

/** What the sandbox was asked, as `METHOD path?query`. */
export const asked = (sandbox: Sandbox, upstream: "waldur" | "hpcUserApi" | "issuer"): ReadonlyArray<string> =>
  sandbox.calls.of(upstream).map(({ method, path, query }) => `${method} ${path}?${query}`)
