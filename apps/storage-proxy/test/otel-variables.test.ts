import { describe, expect, test } from "vitest"
import { readOtelVariables } from "../src/telemetry/otel-variables.ts"

const read = readOtelVariables
const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" }

/** Values that nobody knows, of variables that have a default. */
const notNeeded = {
  OTEL_TRACES_EXPORTER: "zipkin",
  OTEL_METRICS_EXPORTER: "prometheus",
  OTEL_LOGS_EXPORTER: "console",
  OTEL_PROPAGATORS: "xray",
  OTEL_TRACES_SAMPLER: "jaeger_remote",
  OTEL_TRACES_SAMPLER_ARG: "many",
  OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc",
  OTEL_EXPORTER_OTLP_COMPRESSION: "br",
  OTEL_EXPORTER_OTLP_TIMEOUT: "soon",
  OTEL_EXPORTER_OTLP_HEADERS: "a b=c",
  OTEL_METRIC_EXPORT_INTERVAL: "0",
  OTEL_BSP_SCHEDULE_DELAY: "1s",
  OTEL_RESOURCE_ATTRIBUTES: "%",
}

describe("OTEL_* variables", () => {
  test("without an endpoint nothing goes out", () => {
    const { traces, metrics, logs } = read({ OTEL_LOGS_EXPORTER: "otlp", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
    expect([traces, metrics, logs]).toEqual([undefined, undefined, undefined])
  })

  test("an endpoint for all has traces and metrics below it, and logs where they are asked for", () => {
    const { traces, metrics, logs, resource } = read(endpoint)
    expect(traces).toEqual({
      url: "http://c:4318/v1/traces",
      headers: {},
      encoding: "protobuf",
      compression: "none",
      timeout: 10_000,
      sampler: { isParentBased: true, ratio: 1 },
      interval: 5000,
    })
    expect(metrics).toMatchObject({ url: "http://c:4318/v1/metrics", interval: 60_000 })
    expect(logs).toBeUndefined()
    expect(resource.serviceName).toBe("storage-proxy")
    expect(read({ ...endpoint, OTEL_LOGS_EXPORTER: "otlp" }).logs?.url).toBe("http://c:4318/v1/logs")
  })

  test("what is said for one kind counts before what is said for all, and its endpoint is taken as it is", () => {
    const { traces, metrics } = read({
      ...endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "a=1,b=x%20y=,",
      OTEL_EXPORTER_OTLP_TIMEOUT: "100",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://t/intake",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x-sentry-auth=sentry sentry_key=k",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: "200",
    })
    expect(traces).toMatchObject({ url: "https://t/intake", encoding: "json", timeout: 100 })
    expect(traces?.headers).toEqual({ "x-sentry-auth": "sentry sentry_key=k" })
    expect(metrics).toMatchObject({ encoding: "protobuf", timeout: 200, headers: { a: "1", b: "x y=" } })
  })

  test.each([
    ["always_on", undefined, { isParentBased: false, ratio: 1 }],
    ["always_off", "1", { isParentBased: false, ratio: 0 }],
    ["traceidratio", "0.25", { isParentBased: false, ratio: 0.25 }],
    ["traceidratio", undefined, { isParentBased: false, ratio: 1 }],
    ["parentbased_always_off", undefined, { isParentBased: true, ratio: 0 }],
    ["parentbased_traceidratio", "0.5", { isParentBased: true, ratio: 0.5 }],
  ] as const)("the sampler %s with %s", (name, argument, expected) => {
    const variables = { ...endpoint, OTEL_TRACES_SAMPLER: name }
    expect(
      read(argument === undefined ? variables : { ...variables, OTEL_TRACES_SAMPLER_ARG: argument }).traces?.sampler,
    ).toEqual(expected)
  })

  test("the name of the service counts before the attribute", () => {
    const attributes = { ...endpoint, OTEL_RESOURCE_ATTRIBUTES: "service.name=a,service.version=2,k8s.pod.name=p" }
    expect(read(attributes).resource).toMatchObject({
      serviceName: "a",
      attributes: { "service.version": "2", "k8s.pod.name": "p" },
    })
    expect(read({ ...attributes, OTEL_SERVICE_NAME: "b" }).resource.serviceName).toBe("b")
  })

  test.each([
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", '"collector:4318"'],
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://c", '"ftp://c"'],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:p/w@c", '"http://***@c"'],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", '"grpc"'],
    ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc", '"grpc"'],
    ["OTEL_EXPORTER_OTLP_HEADERS", "api key=s", "*** (a secret)"],
    ["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=%", "*** (a secret)"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", '"zstd"'],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s", '"10s"'],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote", '"jaeger_remote"'],
    ["OTEL_TRACES_SAMPLER_ARG", "1.1", '"1.1"'],
    ["OTEL_TRACES_SAMPLER_ARG", "-0.1", '"-0.1"'],
    ["OTEL_TRACES_SAMPLER_ARG", "half", '"half"'],
    ["OTEL_METRIC_EXPORT_INTERVAL", "1.5", '"1.5"'],
    ["OTEL_BSP_SCHEDULE_DELAY", "-1", '"-1"'],
    ["OTEL_TRACES_EXPORTER", "zipkin", '"zipkin"'],
    ["OTEL_TRACES_EXPORTER", "otlp,console", '"console"'],
    ["OTEL_METRICS_EXPORTER", "prometheus", '"prometheus"'],
    ["OTEL_LOGS_EXPORTER", "console", '"console"'],
    ["OTEL_PROPAGATORS", "tracecontext,b3", '"b3"'],
    ["OTEL_PROPAGATORS", "none", '"none"'],
    ["OTEL_RESOURCE_ATTRIBUTES", "=", '"="'],
    ["OTEL_SDK_DISABLED", "maybe", '"maybe"'],
  ])("%s=%s is a warning that shows no secret, with and without an endpoint", (name, value, found) => {
    for (const others of [{}, endpoint]) {
      const { warnings } = read({ ...others, [name]: value })
      expect(warnings.length).toBe(1)
      expect(warnings[0]).toMatch(new RegExp(`^${name} is ignored: `))
      expect(warnings[0]).toContain(`found ${found}; expected `)
    }
  })

  test.each(Object.entries(notNeeded))("%s=%s leaves the defaults as they are", (name, value) => {
    const { warnings: _, ...expected } = read(endpoint)
    const { warnings, ...found } = read({ ...endpoint, [name]: value })
    expect(warnings.length).toBe(1)
    expect(found).toEqual({ ...expected, resource: { ...expected.resource, attributes: expect.anything() } })
  })

  test("an exporter that is known counts beside one that is not", () => {
    expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: "console,otlp" }).traces).toBeDefined()
    expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: "console,none" }).traces).toBeUndefined()
    expect(read({ ...endpoint, OTEL_LOGS_EXPORTER: "console, OTLP" }).logs).toBeDefined()
  })

  test("what was meant for an endpoint that cannot be is sent to no other", () => {
    const { traces, metrics } = read({
      ...endpoint,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "vendor:4317",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "api-key=secret",
      OTEL_EXPORTER_OTLP_HEADERS: "other=secret",
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: "a=%",
    })
    expect(traces).toBeUndefined()
    expect(metrics?.headers).toEqual({})
  })

  test("an empty variable is unset, without a warning", () => {
    const empty = Object.fromEntries([...Object.keys(notNeeded), "OTEL_SDK_DISABLED"].map((name) => [name, " "]))
    const { traces, metrics, logs, warnings } = read({ ...empty, ...endpoint })
    expect(warnings).toEqual([])
    expect([traces, metrics, logs]).toEqual([read(endpoint).traces, read(endpoint).metrics, undefined])
  })

  test("what is as it must be, as others have it, is no warning", () => {
    const usual = {
      ...endpoint,
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_PROPAGATORS: "tracecontext,baggage",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_TRACES_SAMPLER: "PARENTBASED_TRACEIDRATIO",
      OTEL_TRACES_SAMPLER_ARG: "1e-2",
      OTEL_RESOURCE_ATTRIBUTES: "a=b",
      OTEL_SERVICE_NAME: "x",
    }
    expect(read(usual).warnings).toEqual([])
    expect(read(usual).traces?.sampler).toEqual({ isParentBased: true, ratio: 0.01 })
  })

  test("variables that have no effect are named once something goes out, without their values", () => {
    const others = { OTEL_EXPORTER_OTLP_CERTIFICATE: "/ca.pem", OTEL_BSP_MAX_QUEUE_SIZE: "7" }
    expect(read(others).warnings).toEqual([])
    expect(read({ ...endpoint, ...others }).warnings).toEqual([
      "Without effect here: OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_BSP_MAX_QUEUE_SIZE",
    ])
  })

  test("switched off, nothing goes out, whatever the others are", () => {
    const { warnings, resource: _, ...rest } = read({ ...endpoint, OTEL_SDK_DISABLED: "True", ...notNeeded })
    expect(rest).toEqual({})
    expect(warnings).toEqual([expect.stringMatching(/^OTEL_RESOURCE_ATTRIBUTES is ignored/)])
  })

  test("no value of any of them is an error", () => {
    const values = [
      "%",
      "=",
      ",",
      "a=%zz",
      "-1",
      "1e999",
      "NaN",
      "null",
      "http://",
      "://",
      "é",
      "\u0000",
      "x".repeat(10_000),
    ]
    for (const name of [
      ...Object.keys(notNeeded),
      ...Object.keys(endpoint),
      "OTEL_SDK_DISABLED",
      "OTEL_SERVICE_NAME",
    ]) {
      for (const value of values) expect(read({ ...endpoint, [name]: value }).warnings.length).toBeLessThanOrEqual(1)
    }
  })
})
