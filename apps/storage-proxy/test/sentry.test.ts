import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { aCollector } from "./a-collector.ts"
import { aDirectory, aSandbox, environmentOf, finished, serving, until } from "./a-process.ts"

const isReady = (url: string) => async () => (await fetch(`${url}/healthz/ready`)).status === 200
const key = "0123456789abcdef0123456789abcdef"
const secrets = ["hunter2-keycloak/+secret", "hunter2-valkey", key]

interface SentryEvent {
  readonly message: string
  readonly level: string
  readonly environment: string
  readonly release: string
  readonly fingerprint: ReadonlyArray<string>
  readonly extra: Readonly<Record<string, unknown>>
  readonly exception?: {
    readonly values: ReadonlyArray<{
      readonly type: string
      readonly value: string
      readonly stacktrace: { readonly frames: ReadonlyArray<{ readonly function?: string }> }
    }>
  }
}

/** A mock Sentry on loopback. */
const aSentry = async () => {
  const collector = await aCollector()
  return {
    ...collector,
    dsn: `http://${key}@${collector.host}/sentry/42`,
    /** An envelope has a header line, and two lines for each item: its header and the item. */
    events: () =>
      collector.delivered
        .filter(({ path }) => path.startsWith("/sentry/api/42/envelope/"))
        .map(({ body }) => JSON.parse(body.toString().split("\n")[2] ?? "") as SentryEvent),
    /** Everything received, except the authentication key. */
    reported: () => collector.delivered.map(({ body }) => body.toString()).join("\n"),
  }
}

/** A module that the process runs first. */
const before = async (script: string) => {
  const path = join(await aDirectory(), "before.mjs")
  await writeFile(path, script)
  return { NODE_OPTIONS: `--import=${path}` }
}

/** On SIGUSR2, throws outside everything that could catch it. */
const throwing = (statement: string) => before(`process.on("SIGUSR2", () => setImmediate(() => { ${statement} }))`)

/** Replaces the result of a Node function. */
const withReplaced = (module: string, name: string, replacement: string) =>
  before(`
    import it from "${module}"
    import { syncBuiltinESMExports } from "node:module"
    it.${name} = ${replacement}
    syncBuiltinESMExports()
  `)

describe("Sentry", () => {
  test("gets one event for an outage, however long it lasts, and one for a flapping upstream", async () => {
    const sandbox = await aSandbox()
    const sentry = await aSentry()
    const { url, child, ended, stderr } = await serving([], {
      environment: {
        ...environmentOf(sandbox),
        SENTRY_DSN: sentry.dsn,
        SENTRY_ENVIRONMENT: "tests",
        CSCS_KEYCLOAK_CLIENT_SECRET: secrets[0] ?? "",
        CACHE_FRESH_FOR: "0",
        DEBUG: "true",
      },
    })
    await until(isReady(url))
    const ask = async () => (await fetch(`${url}/api/storage-resources/?secret=in-a-query`)).text()
    sandbox.faults.set("waldur", { status: 401, body: { json: { detail: `no ${sandbox.waldur.token}` } } })
    const failures = () => stderr().match(/"event":"refresh-failed"/g)?.length ?? 0
    while (failures() < 3) await ask()
    await until(() => sentry.events().length > 0)
    const before = failures()
    sandbox.faults.clear()
    await until(async () => (await ask()).includes('"resources"'))
    sandbox.faults.set("waldur", { status: 403 })
    while (failures() < before + 3) await ask()
    child.kill("SIGTERM")
    expect(await ended).toBe(0)

    const events = sentry.events()
    expect(events.map(({ message }) => message)).toEqual(["Refresh failed"])
    expect(events[0]).toMatchObject({
      level: "error",
      environment: "tests",
      release: expect.stringMatching(/^storage-proxy@/),
    })
    expect(String(events[0]?.extra.detail)).toContain("Waldur refused")
    const { token } = sandbox.waldur
    for (const secret of [...secrets, token, sandbox.hpcUserApi.clientSecret, "in-a-query", sentry.dsn]) {
      expect(sentry.reported()).not.toContain(secret)
    }
    expect(stderr()).not.toContain(key)
  })

  test.each([
    ["Uncaught exception", 'throw new Error("lost https://u:hunter2-a@h/?q=hunter2-b with Bearer hunter2-c")'],
    ["Unhandled rejection", 'Promise.reject(new TypeError("lost {\\"token\\": \\"hunter2-d\\"}"))'],
    ["Unhandled rejection", 'Promise.reject("lost hunter2-valkey")'],
    ["Unhandled rejection", 'Promise.reject("lost first"), Promise.reject("second")'],
    ["Uncaught exception", "throw Object.assign(Object.create(null), { lost: true })"],
  ])('gets one event titled "%s", with one log line and exit code 1, after %s', async (what, statement) => {
    const sandbox = await aSandbox()
    const sentry = await aSentry()
    const { child, ended, stderr } = await serving([], {
      environment: {
        ...environmentOf(sandbox),
        ...(await throwing(statement)),
        SENTRY_DSN: sentry.dsn,
        HPC_USER_SOCKS_PROXY: "http://someone:hunter2-valkey@127.0.0.1:1",
      },
    })
    child.kill("SIGUSR2")
    expect(await ended).toBe(1)
    const lines = stderr()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { message: string; level: string })
    expect(lines.filter(({ level }) => level === "FATAL").map(({ message }) => message)).toEqual([what])
    const fatal = sentry.events().filter(({ level }) => level === "fatal")
    expect(fatal.map(({ message }) => message)).toEqual([what])
    expect(fatal[0]?.exception?.values[0]?.value).toContain("lost")
    expect(stderr() + sentry.reported()).not.toContain("hunter2")
  })

  test("gets one event with a stack for a fault in requests, however often it occurs", async () => {
    const sandbox = await aSandbox()
    const sentry = await aSentry()
    const loop =
      '() => ({ enable() {}, reset() {}, percentile() { throw new RangeError("lost 42 times by Bearer hunter2") } })'
    const { url, child, ended, stderr } = await serving([], {
      environment: {
        ...environmentOf(sandbox),
        ...(await withReplaced("node:perf_hooks", "monitorEventLoopDelay", loop)),
        SENTRY_DSN: sentry.dsn,
      },
    })
    for (const _ of [1, 2, 3]) expect((await fetch(`${url}/metrics`)).status).toBe(500)
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    expect(stderr().match(/"event":"internal-error"/g)?.length).toBe(3)
    const [event, ...others] = sentry.events()
    expect(others).toEqual([])
    expect(event).toMatchObject({
      message: "Internal error",
      fingerprint: ["Internal error", "RangeError: lost 0 times by Bearer ***"],
      exception: { values: [{ type: "RangeError", value: "lost 42 times by Bearer ***" }] },
    })
    expect(event?.exception?.values[0]?.stacktrace.frames.length).toBeGreaterThan(0)
  })

  test("gets one event for a fault at the start, with one log line and exit code 1", async () => {
    const sandbox = await aSandbox()
    const sentry = await aSentry()
    const { code, stderr } = await finished(["serve", "--port", "0"], {
      environment: {
        ...environmentOf(sandbox),
        ...(await withReplaced("node:perf_hooks", "monitorEventLoopDelay", '() => { throw new Error("lost") }')),
        SENTRY_DSN: sentry.dsn,
      },
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^\{.*lost.*"event":"crashed".*\}$/m)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(sentry.events().map(({ message }) => message)).toEqual(["Ended unexpectedly"])
  })

  test("is optional: without it a fault is logged alike, and the process ends at once", async () => {
    const sandbox = await aSandbox()
    const { child, ended, stderr } = await serving([], {
      environment: { ...environmentOf(sandbox), ...(await throwing('throw new Error("lost")')) },
    })
    child.kill("SIGUSR2")
    expect(await ended).toBe(1)
    expect(stderr()).toMatch(/^\{.*lost.*"event":"crashed".*\}$/m)
    expect(stderr()).not.toMatch(/^\s+at /m)
  })

  test("that is down causes no other failure, and the process ends soon", async () => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { status: 401 })
    const { url, child, ended, stderr } = await serving([], {
      environment: { ...environmentOf(sandbox), SENTRY_DSN: `http://${key}@127.0.0.1:1/1` },
    })
    await until(() => stderr().includes('"event":"telemetry-unavailable"'))
    sandbox.faults.clear()
    await until(isReady(url))
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    expect(stderr().match(/"event":"telemetry-unavailable"/g)?.length).toBe(1)
    expect(stderr()).not.toContain(key)
  })

  test("gets traces, in the configured share, if no endpoint is set", async () => {
    const sandbox = await aSandbox()
    const sentry = await aSentry()
    const environment = { ...environmentOf(sandbox), SENTRY_DSN: sentry.dsn, SENTRY_TRACES_SAMPLE_RATE: "1" }
    const { url, child, ended } = await serving([], { environment })
    await until(isReady(url))
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    const traces = sentry.delivered.filter(({ path }) => path === "/sentry/api/42/integration/otlp/v1/traces/")
    expect(traces.length).toBeGreaterThan(0)
    expect(traces[0]?.headers).toMatchObject({
      "x-sentry-auth": `sentry sentry_key=${key}`,
      "content-type": "application/x-protobuf",
    })
    expect(traces.some(({ body }) => body.includes("readSnapshot"))).toBe(true)

    const collector = await aCollector()
    const other = await serving([], {
      environment: { ...environment, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url },
    })
    const before = sentry.delivered.length
    await until(isReady(other.url))
    other.child.kill("SIGTERM")
    expect(await other.ended).toBe(0)
    expect(collector.delivered.length).toBeGreaterThan(0)
    expect(sentry.delivered.length).toBe(before)
  })

  test("with an invalid DSN fails the start without showing the DSN", async () => {
    const sandbox = await aSandbox()
    const environment = {
      ...environmentOf(sandbox),
      SENTRY_DSN: "https://hunter2@sentry.example.org",
      SENTRY_TRACES_SAMPLE_RATE: "2",
    }
    const { code, output } = await finished(["serve"], { environment })
    expect(code).toBe(2)
    expect(output).toContain("sentry.dsn (environment variable SENTRY_DSN): found *** (a secret); expected a DSN")
    expect(output).toContain("sentry.traces_sample_rate")
    expect(output).not.toContain("hunter2")
  })
})
