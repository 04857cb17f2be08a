import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { type Keycloak, realmClient } from "@cscs/harness"
import type { Sandbox } from "@cscs/sandbox"
import { Clock, Duration, Effect, Layer, Logger, ManagedRuntime, References } from "effect"
import type { Hono } from "hono"
import { onTestFinished } from "vitest"
import { loadSettings, makeApp, proxyLayer } from "../src/index.ts"
import { clockAhead } from "../test/a-clock-ahead.ts"
import { type Any, documentOf } from "../test/a-proxy.ts"

/** The app with authentication on, between a sandbox's Waldur and a Keycloak. */
export interface GuardedProxy {
  readonly app: Hono
  /** Every line logged so far, as JSON, at every level. */
  readonly logs: ReadonlyArray<string>
  /** Requests the list. */
  readonly list: (token: string) => Promise<ProxyResponse>
  /** Sets the proxy's clocks ahead of Keycloak's, the wall clock and the monotonic one. Timers are real: timeouts take their time. */
  readonly leap: (duration: Duration.Input) => void
}

export interface ProxyResponse {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Any
}

/** A proxy that is closed when the test ends. `auth` overrides the section that fits the realm. */
export const aGuardedProxy = async (
  sandbox: Sandbox,
  keycloak: Keycloak,
  auth: Readonly<Record<string, unknown>> = {},
): Promise<GuardedProxy> => {
  const directory = await mkdtemp(join(tmpdir(), "guarded-proxy-"))
  const configPath = join(directory, "config.yaml")
  const section = { keycloak_url: keycloak.url, keycloak_client_id: "storage-proxy", ...auth }
  // JSON is valid YAML.
  await writeFile(configPath, JSON.stringify({ ...documentOf(sandbox), auth: section }))
  const settings = await Effect.runPromise(loadSettings({ configPath, environment: {}, workingDirectory: directory }))

  const logs: Array<string> = []
  let ahead = 0
  const beneath = Layer.mergeAll(
    Logger.layer([Logger.map(Logger.formatJson, (line) => void logs.push(line))]),
    Layer.succeed(References.MinimumLogLevel, "All"),
    Layer.succeed(
      Clock.Clock,
      clockAhead(() => ahead),
    ),
  )
  const runtime = ManagedRuntime.make(Layer.provideMerge(proxyLayer(settings), beneath))
  onTestFinished(async () => {
    await runtime.dispose()
    await rm(directory, { recursive: true })
  })
  const app = await runtime.runPromise(makeApp)
  return {
    app,
    logs,
    list: async (token) => {
      const response = await app.request("/api/storage-resources/", { headers: { Authorization: `Bearer ${token}` } })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: JSON.parse(text) }
    },
    leap: (duration) => {
      ahead += Duration.toMillis(duration)
    },
  }
}

/** The same proxy, with Keycloak introspecting each token. */
export const anIntrospectingProxy = (
  sandbox: Sandbox,
  keycloak: Keycloak,
  auth: Readonly<Record<string, unknown>> = {},
): Promise<GuardedProxy> =>
  aGuardedProxy(sandbox, keycloak, {
    mode: "introspection",
    keycloak_client_secret: realmClient("storage-proxy").secret,
    ...auth,
  })

/** Repeats the request until the response has that status; bounded only by the test's own timeout. */
export const untilStatus = async (status: number, ask: () => Promise<ProxyResponse>): Promise<ProxyResponse> => {
  while (true) {
    const answer = await ask()
    if (answer.status === status) return answer
    await pause(100)
  }
}
