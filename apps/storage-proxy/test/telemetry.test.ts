import { describe, expect, test } from "vitest"
import { aCollector, attributesOf, type Metrics, metricsOf, spansOf, type Traces } from "./a-collector.ts"
import { aSandbox, environmentOf, serving, until } from "./a-process.ts"

const isReady = (url: string) => async () => (await fetch(`${url}/healthz/ready`)).status === 200

/** OpenTelemetry's variables, with intervals short enough for a test. */
const openTelemetry = (endpoint: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_BSP_SCHEDULE_DELAY: "50",
  OTEL_METRIC_EXPORT_INTERVAL: "50",
})

describe("OpenTelemetry", () => {
  test("gets traces with the resource attributes, and each span under its parent", async () => {
    const sandbox = await aSandbox()
    const collector = await aCollector()
    const { url, child, ended } = await serving([], {
      environment: {
        ...environmentOf(sandbox),
        ...openTelemetry(collector.url),
        OTEL_SERVICE_NAME: "proxy-of-tests",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=a%20test,service.version=9",
      },
    })
    await until(isReady(url))
    const callersSpan = "b7ad6b7169203331"
    const traceparent = `00-0af7651916cd43dd8448eb211c80319c-${callersSpan}-01`
    expect((await fetch(`${url}/api/storage-resources/?debug=true`, { headers: { traceparent } })).status).toBe(200)
    child.kill("SIGTERM")
    expect(await ended).toBe(0)

    const deliveries = collector.at<Traces>("/v1/traces")
    const [resource] = deliveries.flatMap(({ resourceSpans }) => resourceSpans.map((one) => attributesOf(one.resource)))
    expect(resource).toMatchObject({
      "service.name": "proxy-of-tests",
      "service.version": "9",
      "deployment.environment.name": "a test",
      "service.instance.id": expect.any(String),
      "telemetry.sdk.name": "effect",
    })
    const spans = spansOf(deliveries)
    const byId = new Map(spans.map((span) => [span.spanId, span]))
    for (const { name, parentSpanId, traceId } of spans) {
      if (parentSpanId === undefined || parentSpanId === callersSpan) continue
      expect([name, byId.get(parentSpanId)?.traceId]).toEqual([name, traceId])
    }
    const above = (name: string): ReadonlyArray<string> => {
      const names: Array<string> = []
      for (let span = spans.find((one) => one.name === name); span !== undefined; ) {
        names.push(span.name)
        span = byId.get(span.parentSpanId ?? "")
      }
      return names
    }
    expect(above("WaldurClient.readResources").length).toBeGreaterThan(1)
    expect(above("debugResponse")).toContain("GET /api/storage-resources/")
    const request = spans.find(({ name }) => name === "GET /api/storage-resources/")
    expect(request).toMatchObject({ traceId: traceparent.slice(3, 35), parentSpanId: callersSpan, kind: 2 })
    // Deliveries are in no trace, because no request causes them.
    expect(collector.delivered.every(({ headers }) => headers.traceparent === undefined)).toBe(true)
    expect(JSON.stringify(spans)).not.toContain("/v1/traces")
  })

  test("gets failures in their spans, without secrets", async () => {
    const sandbox = await aSandbox()
    const collector = await aCollector()
    const fault = { method: "GET", status: 403, body: { json: { detail: "not for Bearer hunter2" } } }
    sandbox.faults.set("waldur", fault)
    const { child, ended, stderr } = await serving([], {
      environment: {
        ...environmentOf(sandbox),
        ...openTelemetry(collector.url),
        OTEL_EXPORTER_OTLP_HEADERS: "api-key=key-of-the-collector",
      },
    })
    await until(() => stderr().includes('"event":"refresh-failed"'))
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    const bodies = collector.delivered.map(({ body }) => body.toString()).join()
    expect(bodies).toContain("not for Bearer ***")
    expect(collector.delivered[0]?.headers["api-key"]).toBe("key-of-the-collector")
    const { waldur, hpcUserApi } = sandbox
    for (const secret of ["hunter2", waldur.token, hpcUserApi.clientSecret, "key-of-the-collector"]) {
      expect(bodies).not.toContain(secret)
    }
  })

  test("gets metrics under the names of /metrics, freshly measured", async () => {
    const sandbox = await aSandbox()
    const collector = await aCollector()
    const { url } = await serving([], { environment: { ...environmentOf(sandbox), ...openTelemetry(collector.url) } })
    await until(isReady(url))
    const latest = () => metricsOf(collector.at<Metrics>("/v1/metrics").slice(-1))
    await until(() =>
      latest().some(({ name, gauge }) => name === "storage_proxy_snapshot_entries" && gauge?.dataPoints[0]?.asDouble),
    )
    const scraped = [...(await (await fetch(`${url}/metrics`)).text()).matchAll(/^# TYPE (\S+) /gm)].map(([, n]) => n)
    await until(() => collector.at("/v1/metrics").length > 2)
    expect(latest().map(({ name }) => name)).toEqual(expect.arrayContaining(scraped))
    const units = Object.fromEntries(latest().map(({ name, unit }) => [name, unit]))
    expect(units).toMatchObject({
      storage_proxy_snapshot_entries: "",
      storage_proxy_snapshot_age_seconds: "s",
      process_resident_memory_bytes: "By",
    })
  })

  test("gets compressed protobuf by default", async () => {
    const sandbox = await aSandbox()
    const collector = await aCollector()
    const environment = {
      ...environmentOf(sandbox),
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/intake`,
      OTEL_METRIC_EXPORT_INTERVAL: "50",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
    }
    await serving([], { environment })
    await until(() => collector.delivered.length > 0)
    const [first] = collector.delivered
    expect(first?.path).toBe("/intake")
    expect(first?.headers).toMatchObject({ "content-type": "application/x-protobuf", "content-encoding": "gzip" })
    expect(first?.body.includes("storage_proxy_breaker_state")).toBe(true)
  })

  test("gets logs on request", async () => {
    const sandbox = await aSandbox()
    const collector = await aCollector()
    const environment = { ...environmentOf(sandbox), ...openTelemetry(collector.url) }
    const both = await Promise.all([
      serving([], { environment }),
      serving([], { environment: { ...environment, OTEL_LOGS_EXPORTER: "otlp", OTEL_SERVICE_NAME: "loud" } }),
    ])
    await Promise.all(both.map(({ url }) => until(isReady(url))))
    for (const { child } of both) child.kill("SIGTERM")
    expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 0])
    const logs = collector.at("/v1/logs").map((one) => JSON.stringify(one))
    expect(logs.join()).toContain("snapshot-taken")
    expect(logs.join()).toContain("stopping")
    expect(logs.every((one) => one.includes('"loud"'))).toBe(true)
  })

  test.each([
    { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" },
    { OTEL_TRACES_SAMPLER: "always_off" },
    { OTEL_TRACES_EXPORTER: "none" },
    { OTEL_SDK_DISABLED: "true" },
  ])("gets no trace with %j", async (variables: Record<string, string>) => {
    const sandbox = await aSandbox()
    const collector = await aCollector()
    const { url, child, ended } = await serving([], {
      environment: { ...environmentOf(sandbox), ...openTelemetry(collector.url), ...variables },
    })
    await until(isReady(url))
    if (variables.OTEL_SDK_DISABLED === undefined) await until(() => collector.at("/v1/metrics").length > 1)
    await fetch(`${url}/api/storage-resources/`)
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    expect(collector.at("/v1/traces")).toEqual([])
    expect(collector.delivered.length === 0).toBe(variables.OTEL_SDK_DISABLED === "true")
  })

  test.each([
    ["is unreachable", async () => "http://127.0.0.1:1"],
    ["refuses", async () => (await aCollector({ status: 401 })).url],
    ["never responds", async () => (await aCollector({ hang: true })).url],
  ])("with a collector that %s changes nothing, is logged once, and delays no shutdown", async (_, start) => {
    const sandbox = await aSandbox()
    const { url, child, ended, stderr } = await serving([], {
      environment: {
        ...environmentOf(sandbox),
        ...openTelemetry(await start()),
        OTEL_EXPORTER_OTLP_TIMEOUT: "200",
        OTEL_EXPORTER_OTLP_HEADERS: "api-key=hunter2-for-the-collector",
        DEBUG: "true",
      },
    })
    await until(isReady(url))
    const reported = () =>
      stderr()
        .split("\n")
        .filter((line) => line.includes('"event":"telemetry-unavailable"'))
    await until(() => reported().length === 2)
    expect((await fetch(`${url}/api/storage-resources/`)).status).toBe(200)
    const began = performance.now()
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    // Two seconds, and some for a busy machine.
    expect(performance.now() - began).toBeLessThan(30_000)
    expect(reported().length).toBe(2)
    expect(stderr()).not.toContain("hunter2")
  })

  test("uses the proxy of the environment", async () => {
    const sandbox = await aSandbox()
    const proxy = await aCollector()
    const { url } = await serving([], {
      environment: {
        ...environmentOf(sandbox),
        ...openTelemetry("http://collector.example.org:4318"),
        HTTP_PROXY: proxy.url,
        NO_PROXY: "127.0.0.1,localhost",
      },
    })
    await until(isReady(url))
    await until(() => proxy.delivered.some(({ path }) => path === "http://collector.example.org:4318/v1/traces"))
  })

  test("variables that are unknown cause a warning without secrets, and the defaults apply", async () => {
    const collector = await aCollector()
    const { stderr } = await serving([], {
      environment: {
        ...environmentOf(await aSandbox()),
        ...openTelemetry(collector.url),
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "http://bob:hunter2@collector:4318",
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
        OTEL_EXPORTER_OTLP_HEADERS: "hunter2",
        OTEL_EXPORTER_OTLP_TIMEOUT: "10s",
        OTEL_TRACES_SAMPLER: "sometimes",
        OTEL_METRICS_EXPORTER: "console",
        OTEL_RESOURCE_ATTRIBUTES: "a=%",
        OTEL_PROPAGATORS: "b3",
      },
    })
    const wrong = ["OTLP_LOGS_ENDPOINT", "OTLP_PROTOCOL", "OTLP_HEADERS", "OTLP_TIMEOUT"].map(
      (name) => `EXPORTER_${name}`,
    )
    const ignored = [...wrong, "TRACES_SAMPLER", "RESOURCE_ATTRIBUTES"].map((name) => `OTEL_${name} is`)
    const inPart = ["METRICS_EXPORTER", "PROPAGATORS"].map((name) => `Unknown items of OTEL_${name} are`)
    for (const what of [...ignored, ...inPart]) expect(stderr().split(`"${what} ignored: found `).length - 1).toBe(1)
    expect(stderr()).not.toContain("hunter2")
    await until(() => collector.delivered.length > 0)
  })
})
